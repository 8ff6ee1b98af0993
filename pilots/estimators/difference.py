"""Two groups: the difference of their outcomes, adjusted for covariates, with the inference that the design allows.

One regression gives the estimate; the inference beside it is asked for by name or follows from the number of clusters
and whether they were drawn at random. It never follows from the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cairn.errors import CairnError, UsageError
from pilots import effect_size, inference
from pilots.estimators import checks, resampling
from pilots.estimators.regression import CLUSTERED, INDEPENDENT, Floats, Ints, fit
from pilots.estimators.result import ALPHA, EffectSize, Estimate, Result, from_t, size_of
from pilots.estimators.table import Bools, Rows, Table

METHODS = ("auto", *INDEPENDENT, *CLUSTERED, "permutation", "wild")
INTERCEPT = "intercept"


@dataclass(frozen=True)
class Difference:
    """The design: columns by name and the inference, one of ``METHODS``.

    ``post``: a 0/1 column; the estimate is then of treatment times post (difference in differences), both of which
    stand in the model. ``factors``: columns of text whose levels each get an own mean (grade, term, block).
    ``is_random``: clusters were assigned by a draw. ``with_identity``: the wild bootstrap counts
    the draw that changes no sign, and its mirror image.
    """

    outcome: str
    treatment: str
    covariates: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    cluster: str | None = None
    post: str | None = None
    method: str = "auto"
    is_random: bool = False
    with_identity: bool = True
    seed: int = 0
    n_min: int = 10
    alpha: float = ALPHA


@dataclass(frozen=True)
class _Model:
    """Rows in the form of the regression: ``design`` has intercept, effect, then the rest, named by ``names``."""

    rows: Rows
    outcome: Floats
    is_treated: Bools
    is_dose: bool  # treatment is an amount: is_treated is then the upper half of it
    design: Floats
    names: tuple[str, ...]
    cluster: Ints | None
    main: int | None  # the column of the design that is the assignment itself, where the effect is that times post
    post: Floats | None


def estimate(table: Table, design: Difference) -> Result:
    """The treated minus the others. Raises CairnError where the rows do not hold such a comparison."""
    model = _model(table, design)
    counts = _clusters(model, design)
    method = _method(design, counts)
    if method in ("permutation", "wild"):
        found, reach, said = _resampled(method, model, design)
    else:
        found, reach, said = _fitted(method, model, design)
    smallest = _smallest_p(model, counts) if reach is None else reach
    warnings = [*model.rows.warnings, *said, *_said_of(model, design, counts, smallest)]
    return Result(
        design="difference",
        method=method,
        n=len(model.rows),
        clusters=None if model.cluster is None else int(model.cluster.max()) + 1,
        estimates=found,
        effect_size=None if model.is_dose else _size(found[0].estimate, model),
        smallest_p=None if model.is_dose else smallest,
        warnings=tuple(warnings),
    )


def _smallest_p(model: _Model, counts: tuple[int, int, bool] | None) -> float:
    """What a permutation of the clusters, or without them of the rows, can reach."""
    if counts is None:
        return resampling.smallest_p_of(model.is_treated)
    return resampling.smallest_p_of(np.arange(counts[0] + counts[1]) < counts[0])


def _said_of(model: _Model, design: Difference, counts: tuple[int, int, bool] | None, smallest: float) -> Iterator[str]:
    """What the reader of the result has to know."""
    if model.is_dose:
        yield f"{design.treatment} is not 0/1: the estimate is a slope for one unit of it, without an effect size"
    else:
        yield from checks.few_pupils(model.is_treated, design.n_min)
        yield from _cox(model, design.outcome)
    if counts is None:
        yield checks.INDEPENDENT_ROWS
    elif not model.is_dose:
        treated, others, is_apart = counts
        yield from checks.few_clusters(min(treated, others), smallest, design.alpha, str(design.cluster))
        if not is_apart:
            yield f"treatment varies within {design.cluster}: the clusters were not what was assigned"


def _model(table: Table, design: Difference) -> _Model:
    extra = [] if design.post is None else [design.post]
    named = [design.outcome, design.treatment, *design.covariates, *extra]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UsageError(f"column {twice[0]!r} has two roles in the model; give it one")
    rows = table.complete(named, [*design.factors, *([] if design.cluster is None else [design.cluster])])
    if len(rows) == 0:
        raise CairnError(f"{table.path}: no row has all of {', '.join(named)}; " + "; ".join(rows.warnings))
    checks.need_variation(rows, design.outcome)
    treatment = rows.numbers[design.treatment]
    is_dose = _is_dose(treatment) and design.method in (*INDEPENDENT, *CLUSTERED) and design.post is None
    is_treated = treatment > np.median(treatment) if is_dose else checks.arms_of(rows, design.treatment)
    columns = _columns(rows, design)
    matrix, names = np.column_stack(list(columns.values())), tuple(columns)
    checks.need_independent(rows, matrix, names)
    checks.need_residual(rows, matrix, design.outcome)
    lost = checks.lost_clusters(table, rows, design.cluster)
    rows = dataclasses.replace(rows, warnings=(*rows.warnings, *lost))
    cluster = None if design.cluster is None else checks.index_of(rows.texts[design.cluster])[1]
    outcome = rows.numbers[design.outcome]
    if design.post is not None:
        return _Model(rows, outcome, is_treated, is_dose, matrix, names, cluster, 2, rows.numbers[design.post])
    model = _Model(rows, outcome, is_treated, is_dose, matrix, names, cluster, None, None)
    return model if cluster is None else _as_assigned_times_post(model)


def _columns(rows: Rows, design: Difference) -> dict[str, Floats]:
    """The regression's columns by name: the intercept, the effect, then the rest."""
    treatment = rows.numbers[design.treatment]
    columns = {INTERCEPT: np.ones(len(rows)), design.treatment: treatment}
    if design.post is not None:
        post = checks.arms_of(rows, design.post).astype(float)
        product = {f"{design.treatment}:{design.post}": treatment * post}
        columns = {INTERCEPT: columns[INTERCEPT], **product, design.treatment: treatment, design.post: post}
    columns |= {name: rows.numbers[name] for name in design.covariates}
    for name in design.factors:
        levels, index = checks.index_of(rows.texts[name])
        columns |= {f"{name} {levels[k]}": (index == k).astype(float) for k in range(1, len(levels))}
    return columns


def _size(difference: float, model: _Model) -> EffectSize:
    """In SD of the outcome as it was measured: of the rows after the change, where there are rows before it."""
    after = np.ones(len(model.rows), dtype=bool) if model.post is None else model.post == 1
    return size_of(difference, model.outcome[after], model.is_treated[after])


def _cox(model: _Model, outcome: str) -> list[str]:
    """For an outcome of yes or no: the index that the WWC prints for shares."""
    if model.post is not None or not np.isin(model.outcome, (0, 1)).all():
        return []
    shares = [float(model.outcome[arm].mean()) for arm in (model.is_treated, ~model.is_treated)]
    if not all(0 < share < 1 for share in shares):
        return [f"{outcome} is 0/1 and all alike in an arm: the index for shares (Cox) cannot be had"]
    index = effect_size.cox_index(shares[0], shares[1], len(model.outcome))
    return [f"{outcome} is 0/1: the index for shares (Cox, WWC 5.0) is {index:.3f}, unadjusted"]


def _is_dose(treatment: Floats) -> bool:
    """More than two values, not all of them whole: minutes or shares, not a code for the arms gone wrong."""
    return len(np.unique(treatment)) > 2 and bool((treatment != np.round(treatment)).any())


def _as_assigned_times_post(model: _Model) -> _Model:
    """Recognise a column that is already assignment times post, where both stand among the covariates.

    Assignment is then what was drawn, cluster by cluster, though the column itself varies within clusters.
    """
    assert model.cluster is not None
    effect = model.design[:, 1]
    in_treated_cluster = np.isin(model.cluster, model.cluster[effect == 1]).astype(float)
    mains = [k for k in range(2, model.design.shape[1]) if (model.design[:, k] == in_treated_cluster).all()]
    posts = [k for k in range(2, model.design.shape[1]) if (model.design[:, k] * in_treated_cluster == effect).all()]
    posts = [k for k in posts if k not in mains and np.isin(model.design[:, k], (0, 1)).all()]
    if not mains or not posts or (effect == in_treated_cluster).all():
        return model
    return dataclasses.replace(model, main=mains[0], post=model.design[:, posts[0]])


def _clusters(model: _Model, design: Difference) -> tuple[int, int, bool] | None:
    """Clusters by arm; None without clusters. Raises CairnError where an arm is one cluster."""
    if model.cluster is None:
        return None
    assigned = model.is_treated if model.main is None else model.design[:, model.main] == 1
    counts = checks.clusters_by_arm(model.cluster, assigned)
    checks.need_two_clusters_an_arm(counts[0], counts[1], str(design.cluster))
    return counts


def _method(design: Difference, counts: tuple[int, int, bool] | None) -> str:
    """The inference asked for, or by `inference.ladder`; the clusters of a formative design are permuted.

    Without clusters hc3: it asks nothing of the variances in the arms.
    """
    if design.method not in METHODS:
        raise UsageError(f"no inference {design.method!r}; known are {', '.join(METHODS)}")
    if design.method in (*CLUSTERED, "wild") and counts is None:
        raise UsageError(f"{design.method} needs the clusters: name their column with --cluster")
    if design.method != "auto":
        return design.method
    if counts is None:
        return "hc3"
    treated, others, is_apart = counts
    rung = inference.ladder(min(treated, others), design.is_random)
    if rung == "formative":
        return "permutation" if is_apart else "cr2"
    return rung if is_apart else "cr2"


def _fitted(method: str, model: _Model, design: Difference) -> tuple[tuple[Estimate, ...], float | None, list[str]]:
    cluster = model.cluster if method in CLUSTERED else None
    found = fit(method, model.design, model.outcome, cluster)
    order = [1, 0, *range(2, len(model.names))]
    lines = tuple(
        from_t(model.names[k], found.coefficients[k], found.standard_errors[k], found.df[k], design.alpha)
        for k in order
    )
    is_ignored = model.cluster is not None and cluster is None
    said = [f"{method} does not look at {design.cluster}: its errors are too small where schools were assigned"]
    return lines, None, said if is_ignored else []


def _resampled(method: str, model: _Model, design: Difference) -> tuple[tuple[Estimate, ...], float | None, list[str]]:
    others = [k for k in range(model.design.shape[1]) if k != 1]
    error: float | None = None
    df: float | None = None
    if method == "wild":
        assert model.cluster is not None
        parts = resampling.partial_out(model.design[:, others], model.design[:, 1], model.outcome)
        found = resampling.wild(parts, model.cluster, design.alpha, design.with_identity, design.seed)
        said = [] if design.with_identity else ["draws that tie with the real one were not counted: p is too small"]
        errors = fit("cr1", model.design, model.outcome, model.cluster)
        error, df = float(errors.standard_errors[1]), float(errors.df[1])
    else:
        # The assignment itself is redrawn with its product, so it is not among what stays.
        others = [k for k in others if k != model.main]
        parts = resampling.partial_out(model.design[:, others], model.design[:, 1], model.outcome)
        found, said = _permuted(parts, model, design)
    if not found.is_exact:
        said.append(f"{found.draws:,} of the possible draws were drawn (seed {design.seed})")
    if found.low is None and found.high is None:
        said.append("the interval is unbounded: no effect is rejected at this level")
    line = Estimate(model.names[1], found.estimate, error, df, found.p_value, found.low, found.high)
    return (line,), found.smallest_p, said


def _permuted(
    parts: resampling.Partialled, model: _Model, design: Difference
) -> tuple[resampling.Resampled, list[str]]:
    if model.cluster is None:
        said = ["rows were permuted: right only where each row was assigned by itself"]
        units = np.arange(len(model.rows))
        return resampling.permute(parts, model.is_treated, units, design.alpha, model.post, design.seed), said
    assigned = model.is_treated if model.main is None else model.design[:, model.main] == 1
    counts = np.bincount(model.cluster, assigned) / np.bincount(model.cluster)
    mixed = np.flatnonzero((counts != 0) & (counts != 1))
    if len(mixed):
        row = int(np.flatnonzero(model.cluster == mixed[0])[0])
        raise CairnError(
            f"{model.rows.at(row)}: its {design.cluster} has rows of both arms, so clusters cannot be permuted; "
            "use cr2, or leave --cluster out where pupils were assigned"
        )
    said = [] if design.is_random else ["permutation is exact for clusters that were drawn at random"]
    return resampling.permute(parts, counts == 1, model.cluster, design.alpha, model.post, design.seed), said
