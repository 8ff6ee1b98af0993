"""Items that people should look at: they look mis-tagged, or they favour one group of equally able pupils.

An item is held against how the same pupils did on the rest of its competency: a pupil's rest is the mean of outcome
minus expected (at the items' easiness) over the pupil's other counted answers there. Right answers that do not go with
the rest are no measure of the competency; where they go clearly better with another one, the tag may be wrong.

Differential item functioning (DIF) is told by the Mantel-Haenszel test: within strata of the rest, are pupils of a
subgroup and all others right as often? ``delta = -2.35 ln(common odds ratio)``, negative where the item is harder for
the subgroup; class B from one on where that is significant, class C from 1.5 on where it is significantly more than one
(Educational Testing Service; Holland and Thayer 1988; Zieky 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import StratifiedTable

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.responses import Responses
from cairn.mastery.share.easiness import estimate
from cairn.mastery.share.logistic import chances
from cairn.mastery.subgroups import pupils_of_groups

BoolArray = npt.NDArray[np.bool_]

# An item is judged from so many pupils on, each with so many other answers on the competency.
MINIMUM_PUPILS, MINIMUM_REST = 50, 3
# A correlation with the rest under this says little about the competency; another's must be higher by so many standard
# errors (of the difference of Fisher's z) to be named.
WEAKEST, CLEARLY = 0.05, 3.0
STRATA = 5
# Pupils of a subgroup, and of all others, that DIF is told from.
MINIMUM_GROUP = 30
DELTA, CLASS_B, CLASS_C, CRITICAL, CRITICAL_MORE = -2.35, 1.0, 1.5, 1.959964, 1.644854


@dataclass(frozen=True)
class Dif:
    """How an item treats a subgroup beside all others: ``delta`` with its standard error, class "B" or "C"."""

    subgroup: str
    delta: float
    standard_error: float
    size: str


@dataclass(frozen=True)
class ItemFinding:
    """An item to look at. right: share of its pupils; correlation: of the outcome with the rest of the competency.

    other, other_correlation: the competency that it goes better with, None where there is none.
    """

    item: str
    competency: str
    pupils: int
    right: float
    correlation: float
    other: str | None
    other_correlation: float | None
    dif: tuple[Dif, ...]

    @property
    def is_mistagged(self) -> bool:
        """Whether the item looks as if it showed something else."""
        return self.other is not None or self.correlation < WEAKEST


def review_items(data: Responses, smallest_group: int) -> tuple[list[ItemFinding], int]:
    """(items to look at, how many were judged): the worst first.

    ``data``: counted answers, with items; a pupil's first answer at an item is looked at. Subgroups are those of
    ``data.subgroup_of``; of those held back for their size (``smallest_group``) nothing is told.
    """
    if not data.has_items or not data.user.size:
        return [], 0
    first = np.unique(data.user * len(data.items) + data.item, return_index=True)[1]
    chosen = np.zeros(data.user.size, dtype=bool)
    chosen[first] = True
    data = data.of(chosen)
    residual = data.correct - chances(estimate(data).logits(data))
    total, count = _sums(data, residual)
    offsets = data.entry_offsets()
    groups = pupils_of_groups(data.subgroup_of, np.unique(data.user), smallest_group) if data.subgroup_of else {}
    order = np.argsort(data.item, kind="stable")
    bounds = np.searchsorted(data.item[order], np.arange(len(data.items) + 1))
    found, judged = [], 0
    for item in range(len(data.items)):
        rows = order[bounds[item] : bounds[item + 1]]
        if rows.size < MINIMUM_PUPILS:
            continue
        tagged = np.unique(np.concatenate([data.skill[offsets[row] : offsets[row + 1]] for row in rows]))
        for skill in tagged.tolist():
            finding = _judged(data, residual, total, count, rows, skill, tagged, groups)
            judged += finding is not None
            if finding is not None and (finding.is_mistagged or finding.dif):
                found.append(finding)
    return sorted(found, key=lambda one: (one.correlation, one.item, one.competency)), judged


def _sums(data: Responses, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(sum of residuals, number of answers) of each pupil on each skill (pupils x skills)."""
    cell = data.user[data.response] * len(data.skills) + data.skill
    size = len(data.users) * len(data.skills)
    shape = (len(data.users), len(data.skills))
    total: FloatArray = np.bincount(cell, weights=residual[data.response], minlength=size).astype(np.float64)
    count: FloatArray = np.bincount(cell, minlength=size).astype(np.float64)
    return np.reshape(total, shape), np.reshape(count, shape)


def _judged(
    data: Responses,
    residual: FloatArray,
    total: FloatArray,
    count: FloatArray,
    rows: IntArray,
    skill: int,
    tagged: IntArray,
    groups: dict[str, IntArray],
) -> ItemFinding | None:
    """What is to be said of an item as one of a competency; None where too few pupils have other answers there."""
    user, own = data.user[rows], residual[rows]
    # The item's own answer is no part of the rest; on other competencies it was none anyway.
    rest_total, rest_count = total[user].copy(), count[user].copy()
    rest_total[:, tagged] -= own[:, None]
    rest_count[:, tagged] -= 1.0
    has_rest = rest_count >= MINIMUM_REST
    if has_rest[:, skill].sum() < MINIMUM_PUPILS:
        return None
    correct = data.correct[rows]
    rest = rest_total / np.maximum(rest_count, 1.0)
    correlation = _correlation(correct, rest[:, skill], has_rest[:, skill])
    other, other_correlation = _better(correct, rest, has_rest, skill, tagged, correlation)
    known = has_rest[:, skill]
    return ItemFinding(
        item=data.items[int(data.item[rows[0]])],
        competency=data.skills[skill],
        pupils=int(rows.size),
        right=float(correct.mean()),
        correlation=correlation,
        other=None if other is None else data.skills[other],
        other_correlation=other_correlation,
        dif=tuple(_dif(data.right[rows][known].astype(np.float64), rest[known, skill], user[known], groups)),
    )


def _correlation(outcome: FloatArray, rest: FloatArray, has_rest: BoolArray) -> float:
    """Pearson's, of those who have a rest; 0 where either does not vary."""
    one, other = outcome[has_rest], rest[has_rest]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _better(
    outcome: FloatArray, rest: FloatArray, has_rest: BoolArray, skill: int, tagged: IntArray, own: float
) -> tuple[int | None, float | None]:
    """The competency that the outcomes go with clearly better than with their own, the one that they go with best."""
    best: tuple[int | None, float | None] = (None, None)
    own_size = int(has_rest[:, skill].sum())
    for other in np.flatnonzero(has_rest.sum(axis=0) >= MINIMUM_PUPILS).tolist():
        if other in tagged:
            continue
        found = _correlation(outcome, rest[:, other], has_rest[:, other])
        size = int(has_rest[:, other].sum())
        error = np.sqrt(1.0 / (own_size - 3) + 1.0 / (size - 3))
        gap = (np.arctanh(np.clip(found, -0.999, 0.999)) - np.arctanh(np.clip(own, -0.999, 0.999))) / error
        if gap >= CLEARLY and (best[1] is None or found > best[1]):
            best = (other, found)
    return best


def _dif(outcome: FloatArray, rest: FloatArray, user: IntArray, groups: dict[str, IntArray]) -> list[Dif]:
    """Subgroups for whom the item is harder or easier than for others as able, of class B or C."""
    edges = np.quantile(rest, np.arange(1, STRATA) / STRATA)
    stratum = np.searchsorted(edges, rest, side="right")
    found = []
    for name, pupils in groups.items():
        is_of = np.isin(user, pupils)
        if min(is_of.sum(), (~is_of).sum()) < MINIMUM_GROUP:
            continue
        one = mantel_haenszel_delta(outcome, is_of, stratum)
        if one is None:
            continue
        delta, error = one
        is_more = abs(delta) >= CLASS_C and (abs(delta) - CLASS_B) / error > CRITICAL_MORE
        if is_more or (abs(delta) >= CLASS_B and abs(delta) / error > CRITICAL):
            found.append(Dif(name, delta, error, "C" if is_more else "B"))
    return found


def mantel_haenszel_delta(outcome: FloatArray, is_focal: BoolArray, stratum: IntArray) -> tuple[float, float] | None:
    """(delta, standard error) of an item for the focal pupils beside the others (n each); None where it is not defined.

    Strata that lack one of the four kinds of answers say nothing about the other kinds and are kept; those without
    either group are left out.
    """
    tables = []
    for one in np.unique(stratum):
        here = stratum == one
        focal, others = outcome[here & is_focal], outcome[here & ~is_focal]
        if focal.size and others.size:
            tables.append([[others.sum(), (1 - others).sum()], [focal.sum(), (1 - focal).sum()]])
    if not tables or min(np.array(tables).sum(axis=0).ravel()) == 0:
        return None
    pooled = StratifiedTable([np.array(one, dtype=np.float64) for one in tables])
    return DELTA * float(pooled.logodds_pooled), -DELTA * float(pooled.logodds_pooled_se)
