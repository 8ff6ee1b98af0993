"""``cairn pilots estimate``: the effect of a change on any table, by the design that it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit
from cli.pilots_estimate_text import text

if TYPE_CHECKING:
    from pilots.estimators.result import Result
    from pilots.estimators.table import Table

app = typer.Typer(help="The effect of a change on any CSV file, by the design that it has.", no_args_is_help=True)

DataOption = Annotated[Path, typer.Option("--data", help="CSV file with a header, one row a pupil (also .csv.gz).")]
OutcomeOption = Annotated[
    list[str],
    typer.Option("--outcome", help="Column of the outcome; several, by repeating or with commas, in one domain."),
]
TreatmentOption = Annotated[str, typer.Option("--treatment", help="Column with 1 for treated rows and 0 for others.")]
CovariatesOption = Annotated[
    list[str] | None, typer.Option("--covariates", help="Columns of numbers to adjust for; repeat, or with commas.")
]
ClusterOption = Annotated[
    str | None, typer.Option("--cluster", help="Column of what was assigned together: the school's id, as text.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Column of subgroups: each is estimated, and all are pooled partially.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws, where not all can be enumerated.")]


@app.callback()
def group() -> None:
    """The effect of a change on any CSV file, by the design that it has."""


@app.command()
def difference(
    data: DataOption,
    outcome: OutcomeOption,
    treatment: TreatmentOption,
    covariates: CovariatesOption = None,
    factors: Annotated[
        list[str] | None, typer.Option("--factors", help="Columns whose levels get an own mean: grade, term, block.")
    ] = None,
    cluster: ClusterOption = None,
    post: Annotated[
        str | None, typer.Option("--post", help="0/1 column of rows after the change: difference in differences.")
    ] = None,
    inference: Annotated[
        str, typer.Option(help="auto, classical, hc1, hc3, cr1, cr2, cr3, permutation or wild.")
    ] = "auto",
    is_random: Annotated[
        bool, typer.Option("--assigned-at-random", help="Clusters were drawn at random, so auto may permute them.")
    ] = False,
    without_identity: Annotated[
        bool, typer.Option("--without-identity", help="wild: do not count draws that tie with the real one.")
    ] = False,
    by: ByOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Two groups: their difference, adjusted, with the inference that the design allows.

    Example: cairn pilots estimate difference --data scores.csv --outcome score --treatment treated --cluster school
    """
    from dataclasses import replace

    from cairn.privacy import smallest_group
    from cairn.settings import settings
    from pilots.estimators import difference as designs
    from pilots.estimators.table import read_table

    table = read_table(data)
    outcomes = table.names(outcome)
    first = designs.Difference(
        outcomes[0],
        treatment,
        table.names(covariates or ()),
        table.names(factors or ()),
        cluster,
        post,
        inference,
        is_random,
        not without_identity,
        seed,
        smallest_group(settings()),
    )
    results = [designs.estimate(table, replace(first, outcome=name)) for name in outcomes]
    shown = _with_outcomes(outcomes, results)
    if by is not None:
        # Pooling needs standard errors, which a redrawn test does not have.
        method = ("hc3" if cluster is None else "cr2") if results[0].method in ("permutation", "wild") else None
        own = replace(first, method=method or results[0].method)
        shown |= _subgroups(table, by, own.outcome, treatment, own.n_min, lambda part: designs.estimate(part, own))
    emit(shown, as_json, text)


@app.command()
def matched(
    data: DataOption,
    outcome: OutcomeOption,
    treatment: TreatmentOption,
    match_on: Annotated[
        list[str],
        typer.Option("--match-on", help="Columns of numbers in which matches are near; repeat, or with commas."),
    ],
    exact: Annotated[
        list[str] | None, typer.Option("--exact", help="Columns in which matches are the same: grade, subject, term.")
    ] = None,
    neighbours: Annotated[int, typer.Option(min=1, max=51, help="Comparison rows for each treated row.")] = 1,
    caliper: Annotated[
        list[float] | None,
        typer.Option("--caliper", help="Farthest a match may be in any column, in SD; repeat for wider ones in turn."),
    ] = None,
    distance: Annotated[str, typer.Option(help="mahalanobis or standardised.")] = "mahalanobis",
    covariates: CovariatesOption = None,
    cluster: ClusterOption = None,
    row_id: Annotated[
        str | None, typer.Option("--id", help="Column that names unmatched rows; else their line.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="File for the love plot (SVG): balance before, after.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """A comparison group by matching, with balance before and after.

    Example: cairn pilots estimate matched --data s.csv --outcome fall --treatment t --match-on spring --exact grade
    """
    from dataclasses import replace

    from cairn.errors import UsageError
    from cairn.privacy import smallest_group
    from cairn.settings import settings
    from pilots.estimators import matched as designs
    from pilots.estimators.love_plot import love_plot
    from pilots.estimators.table import read_table

    table = read_table(data)
    outcomes = table.names(outcome)
    first = designs.Matched(
        outcomes[0],
        treatment,
        table.names(match_on),
        table.names(exact or ()),
        table.names(covariates or ()),
        cluster,
        row_id,
        neighbours,
        tuple(caliper or ()),
        distance,
        smallest_group(settings()),
    )
    results = [designs.estimate(table, replace(first, outcome=name)) for name in outcomes]
    shown = _with_outcomes(outcomes, results)
    if by is not None:
        shown |= _subgroups(
            table, by, first.outcome, treatment, first.n_min, lambda part: designs.estimate(part, first)
        )
    if plot is not None:
        try:
            plot.write_text(love_plot(results[0].balance), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{plot}: cannot be written ({error.strerror}); name another file") from error
    emit(shown, as_json, text)


@app.command()
def staggered(
    data: DataOption,
    outcome: OutcomeOption,
    unit: Annotated[str, typer.Option("--unit", help="Column of the unit seen in every period (pupil or school).")],
    time: Annotated[str, typer.Option("--time", help="Column of the period, a number.")],
    cohort: Annotated[
        str, typer.Option("--cohort", help="Column of the unit's first treated period; empty, 0 or never for none.")
    ],
    covariates: CovariatesOption = None,
    cluster: ClusterOption = None,
    control: Annotated[
        str | None, typer.Option(help="never or not-yet; by default never where there are never-treated units.")
    ] = None,
    aggregate: Annotated[str, typer.Option(help="simple, dynamic, group or calendar.")] = "simple",
    anticipation: Annotated[
        float, typer.Option(min=0, help="How long before its start a change may be felt, in the unit of time.")
    ] = 0.0,
    inference: Annotated[str, typer.Option(help="auto, analytic or permutation (of adoption times).")] = "auto",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Waves: a change that reaches units at different times (Callaway and Sant'Anna), with the event study.

    Example: cairn pilots estimate staggered --data p.csv --outcome score --unit school --time term --cohort first_term
    """
    from dataclasses import replace

    from cairn.privacy import smallest_group
    from cairn.settings import settings
    from pilots.estimators import staggered as designs
    from pilots.estimators.table import read_table

    table = read_table(data)
    outcomes = table.names(outcome)
    first = designs.Staggered(
        outcomes[0],
        unit,
        time,
        cohort,
        table.names(covariates or ()),
        cluster,
        control,
        aggregate,
        anticipation,
        inference,
        seed,
        smallest_group(settings()),
    )
    results = [designs.estimate(table, replace(first, outcome=name)) for name in outcomes]
    emit(_with_outcomes(outcomes, results), as_json, text)


def _with_outcomes(names: Sequence[str], results: Sequence[Result]) -> dict[str, Any]:
    """The first outcome's result; with several, all of them with p-values adjusted for their number."""
    from dataclasses import asdict

    from pilots.estimators.families import outcome_lines

    shown: dict[str, Any] = results[0].as_dict()
    if len(results) > 1:
        shown["outcomes"] = [asdict(line) for line in outcome_lines(names, results)]
        others = [
            f"{name}: {warning}"
            for name, result in zip(names[1:], results[1:], strict=True)
            for warning in result.warnings
            if warning not in results[0].warnings
        ]
        shown["warnings"] = [*shown["warnings"], *others]
    return shown


def _subgroups(
    table: Table, by: str, outcome: str, treatment: str, n_min: int, estimate: Callable[[Table], Result]
) -> dict[str, Any]:
    from dataclasses import asdict

    from pilots.estimators.families import subgroups

    return {"subgroups": asdict(subgroups(table, by, outcome, treatment, n_min, estimate))}
