"""How sure a wave's effect is: influence functions where clusters are many, redrawn adoption times where few."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from cairn.errors import CairnError
from pilots.estimators import aggregation
from pilots.estimators.aggregation import Part
from pilots.estimators.group_time import Cell, Floats, Panel, effects, influence
from pilots.estimators.inversion import TIE, redrawn
from pilots.estimators.result import Estimate, from_normal, from_t

ENUMERATE_UP_TO = 20_000
DRAWS = 10_000


@dataclass(frozen=True)
class GroupTime:
    """One ATT(g, t) with its standard error where that is what the inference rests on."""

    cohort: float
    time: float
    kind: str
    estimate: float
    standard_error: float | None


@dataclass(frozen=True)
class PreTrend:
    """Joint test that all effects before adoption are nothing: Wald's, or its permuted form with few clusters."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True)
class Waves:
    """What both kinds of inference stand on: the panel, its cells and what is asked of them."""

    panel: Panel
    cells: list[Cell]
    control: str
    aggregate: str
    anticipation: float
    alpha: float

    @property
    def pre(self) -> list[int]:
        """Positions of the cells before anticipation begins."""
        return [k for k, cell in enumerate(self.cells) if cell.kind == "pre"]

    def effects(self, cohorts: Floats, answers: Floats) -> Floats:
        """`group_time.effects` of these cells: [assignments, cells, answers]."""
        return effects(self.panel, self.cells, cohorts, answers, self.control, self.anticipation)


class Analytic:
    """Influence functions; by cluster with G/(G-1) and Student's t at G - 1, by unit as R's `did`, with the normal."""

    def __init__(self, waves: Waves, is_clustered: bool) -> None:
        self._waves, panel = waves, waves.panel
        self.warnings: tuple[str, ...] = ()
        own = panel.cohort_of_cluster[None, :]
        self._effects = waves.effects(own, panel.outcome[None])[0, :, 0]
        sizes = np.bincount(panel.cluster).astype(float)
        self._share = aggregation.shares(own, sizes, waves.cells)
        self._influence = influence(panel, waves.cells, waves.control, waves.anticipation)
        self._clusters = len(sizes) if is_clustered else None
        self.smallest_p = _smallest_p(panel.cohort_of_cluster)

    def overall(self) -> Estimate:
        """The overall effect."""
        waves = self._waves
        value = aggregation.overall(waves.aggregate, waves.cells, self._effects[None], self._share)[0]
        found = aggregation.overall_influence(waves.panel, waves.aggregate, waves.cells, self._effects, self._influence)
        return self._judged("ATT", float(value), found)

    def part(self, part: Part, term: str) -> Estimate:
        """One average of cells."""
        value = aggregation.average(part, self._effects[None], self._share)[0]
        found = aggregation.part_influence(self._waves.panel, self._waves.cells, part, self._effects, self._influence)
        return self._judged(term, float(value), found)

    def cells(self) -> tuple[GroupTime, ...]:
        """Every cell."""
        return tuple(
            GroupTime(
                cell.cohort, cell.time, cell.kind, float(value), math.sqrt(self._covariance(column[:, None])[0, 0])
            )
            for cell, value, column in zip(self._waves.cells, self._effects, self._influence.T, strict=True)
        )

    def pre_trend(self) -> PreTrend | None:
        """Wald's test of all effects before adoption (as R's `did`: no correction for few units)."""
        pre = self._waves.pre
        if not pre:
            return None
        covariance = self._covariance(self._influence[:, pre])
        if np.linalg.matrix_rank(covariance) < len(pre):
            self.warnings = (*self.warnings, "too few clusters for a joint test of the periods before adoption")
            return None
        statistic = float(self._effects[pre] @ np.linalg.solve(covariance, self._effects[pre]))
        return PreTrend(statistic, len(pre), float(chdtrc(len(pre), statistic)))

    def _judged(self, term: str, value: float, found: Floats) -> Estimate:
        error = math.sqrt(self._covariance(found[:, None])[0, 0])
        if self._clusters is None:
            return from_normal(term, value, error, self._waves.alpha)
        return from_t(term, value, error, self._clusters - 1, self._waves.alpha)

    def _covariance(self, found: Floats) -> Floats:
        """Of averages whose influence functions are the columns of ``found`` [units, averages]."""
        units = len(found)
        if self._clusters is None:
            return np.asarray(found.T @ found / units**2)
        sums = np.stack([np.bincount(self._waves.panel.cluster, column) for column in found.T], axis=1)
        return np.asarray(sums.T @ sums / units**2 * (self._clusters / (self._clusters - 1)))


class Permuted:
    """Adoption times redrawn among the clusters; every number is held against itself under those draws.

    Exact under the sharp null where adoption times were drawn at random. Intervals hold the effects, alike in every
    treated cell, that the test does not reject. Before adoption such an effect has no meaning: a p and no interval.
    """

    def __init__(self, waves: Waves, seed: int, stored: Floats | None = None) -> None:
        """``stored`` [draw, cluster] is the set that the adoption times were drawn from: then it is all there is."""
        self._waves, panel = waves, waves.panel
        own = panel.cohort_of_cluster
        draws, is_exact = _assignments(own, seed) if stored is None else (_of_stored(own, stored), True)
        treated = (panel.periods >= panel.cohort[:, None]).astype(float)
        found = waves.effects(draws, np.stack([panel.outcome, treated]))
        self._moved, self._slope = found[:, :, 0], found[:, :, 1]
        self._share = aggregation.shares(draws, np.bincount(panel.cluster).astype(float), waves.cells)
        self.warnings: tuple[str, ...] = ("permutation is exact where adoption times were drawn at random",)
        self.smallest_p = _smallest_p(own)
        if stored is not None:
            # Orders that differ in nothing that a window can tell are one and the same here.
            self.smallest_p = float((draws == own).all(axis=1).mean())
            self.warnings = (f"starts are permuted over the {len(draws):,} orders that the real one was drawn from",)
        elif not is_exact:
            self.smallest_p = max(self.smallest_p, 1 / len(draws))
            self.warnings += (f"{len(draws):,} of the possible adoption times were drawn (seed {seed})",)

    def overall(self) -> Estimate:
        """The overall effect."""
        waves = self._waves
        moved, slope = (
            aggregation.overall(waves.aggregate, waves.cells, one, self._share) for one in (self._moved, self._slope)
        )
        return self._judged("ATT", moved, slope, True)

    def part(self, part: Part, term: str) -> Estimate:
        """One average of cells."""
        moved, slope = (aggregation.average(part, one, self._share) for one in (self._moved, self._slope))
        is_post = all(self._waves.cells[k].kind == "post" for k in part.cells)
        return self._judged(term, moved, slope, is_post)

    def cells(self) -> tuple[GroupTime, ...]:
        """Every cell, without standard errors: these would rest on many clusters."""
        return tuple(
            GroupTime(cell.cohort, cell.time, cell.kind, float(value), None)
            for cell, value in zip(self._waves.cells, self._moved[0], strict=True)
        )

    def pre_trend(self) -> PreTrend | None:
        """Wald's form with the covariance over the draws, held against itself under the draws."""
        pre = self._waves.pre
        if not pre:
            return None
        found = self._moved[:, pre]
        weight = np.linalg.pinv(np.atleast_2d(found.T @ found) / len(found), hermitian=True)
        statistics = ((found @ weight) * found).sum(axis=1)
        p_value = float((statistics >= statistics[0] * (1 - TIE)).mean())
        return PreTrend(float(statistics[0]), len(pre), p_value)

    def _judged(self, term: str, moved: Floats, slope: Floats, has_interval: bool) -> Estimate:
        p_value, low, high = redrawn(moved, slope, float(moved[0]), self._waves.alpha)
        if not has_interval:
            low = high = None
        return Estimate(term, float(moved[0]), None, None, p_value, low, high)


def _smallest_p(cohorts: Floats) -> float:
    """One over the number of assignments; two where one wave and an equal number of others mirror each other."""
    counts = sorted(Counter(cohorts.tolist()).values())
    ways = math.lgamma(len(cohorts) + 1) - sum(math.lgamma(count + 1) for count in counts)
    mirrored = 2.0 if len(counts) == 2 and counts[0] == counts[1] else 1.0
    return mirrored * math.exp(-min(ways, 690.0))


def _of_stored(cohorts: Floats, stored: Floats) -> Floats:
    """The stored set, the real assignment first. Raises CairnError where it does not hold it."""
    if stored.ndim != 2 or stored.shape[1] != len(cohorts):
        raise CairnError(
            f"the stored set of orders has shape {stored.shape} and the comparison {len(cohorts)} clusters"
        )
    is_real = (stored == cohorts).all(axis=1)
    if not is_real.any():
        raise CairnError("the adoption times are none of the stored set that they are said to be drawn from")
    return np.concatenate([stored[is_real], stored[~is_real]])


def _assignments(cohorts: Floats, seed: int) -> tuple[Floats, bool]:
    """Cohorts of the clusters under every draw, the real one first, and whether they are all there."""
    counts = Counter(cohorts.tolist())
    total = math.factorial(len(cohorts)) // math.prod(math.factorial(count) for count in counts.values())
    if total <= ENUMERATE_UP_TO:
        every = np.array(list(every_order(len(cohorts), sorted(counts.items()))))
        is_real = (every == cohorts).all(axis=1)
        return np.concatenate([every[is_real], every[~is_real]]), True
    drawn = np.tile(cohorts, (DRAWS, 1))
    drawn[1:] = np.random.default_rng(seed).permuted(drawn[1:], axis=1)
    return drawn, False


def every_order(size: int, counts: Sequence[tuple[float, int]]) -> Iterator[Floats]:
    """Every way to give ``size`` clusters their cohorts, as often as ``counts`` says."""
    (cohort, count), rest = counts[0], counts[1:]
    if not rest:
        yield np.full(size, cohort)
        return
    for chosen in itertools.combinations(range(size), count):
        inside = np.isin(np.arange(size), chosen)
        for others in every_order(size - count, rest):
            found = np.full(size, cohort)
            found[~inside] = others
            yield found
