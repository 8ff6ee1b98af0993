"""The one model behind a comparison: school means on the treatment, the pretest, blocks and waves, with fixed weights.

Schools were assigned, so schools are compared; estimate, permutation, CR2 and posterior all read this model, and so
cannot disagree about what was estimated. Why school means and not pupils on the rung that is not random: the point has
to be the same on every rung, and one row a school whose weight was fixed beforehand keeps a large school from deciding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NONE_LEFT = 1e-9  # of the weight or of the variance: no more than rounding
LEAST_RELIABLE = 0.2  # share of the pretest's spread that must be left once its error is taken off


@dataclass(frozen=True)
class SchoolModel:
    """Weighted least squares of ``value`` on the treatment and ``terms``, both with the terms taken off.

    Arrays have one entry a school. ``root_weight`` is 1/sqrt of the variance the plan expects of a school's value,
    ``basis`` an orthonormal basis of the weighted terms; ``outcome`` and ``treatment`` are weighted values and
    assignment, the terms projected off.
    """

    root_weight: Floats
    basis: Floats
    outcome: Floats
    treatment: Floats

    @classmethod
    def of(cls, value: Floats, is_treated: Bools, terms: Floats, variance: Floats) -> SchoolModel:
        """The model. ``terms`` [school, term] hold the intercept; collinear ones count once."""
        root = 1.0 / np.sqrt(variance)
        left, sizes, _ = np.linalg.svd(root[:, None] * terms, full_matrices=False)
        basis = left[:, sizes > NONE_LEFT * sizes[0]]

        def projected(column: Floats) -> Floats:
            weighted = root * column
            return np.asarray(weighted - basis @ (basis.T @ weighted))

        return cls(root, basis, projected(value), projected(is_treated.astype(float)))

    @cached_property
    def information(self) -> float:
        """Sum of squares of the treatment: one over the variance of the estimate where the plan's variances hold."""
        return float(self.treatment @ self.treatment)

    @property
    def is_identified(self) -> bool:
        """Whether the treatment can be told from the other terms."""
        return self.information > NONE_LEFT * float((self.root_weight**2).sum())

    @cached_property
    def estimate(self) -> float:
        """The effect, in units of the values."""
        return float(self.treatment @ self.outcome) / self.information

    @property
    def df(self) -> int:
        """Schools less terms, the treatment among them."""
        return len(self.outcome) - int(self.basis.shape[1]) - 1

    @cached_property
    def residual_squares(self) -> float:
        """Weighted sum of squares that is left: about ``df`` where the plan's variances hold."""
        left = self.outcome - self.estimate * self.treatment
        return float(left @ left)

    @property
    def design(self) -> Floats:
        """Weighted design [school, coefficient], the treatment first; spans the same as treatment and terms."""
        return np.column_stack([self.treatment, self.basis])


def expected_variance(pupils: NDArray[np.int64], icc: float, r2: float) -> Floats:
    """Variance of each school's mean given the pretest, in squared SD, as the plan expects it: what schools differ by
    and the sampling of their pupils (Bloom 1995). It knows the pupils assigned and not the arms."""
    return np.asarray(icc * (1.0 - r2) + (1.0 - icc) * (1.0 - r2) / np.maximum(pupils, 1))


def terms_of(
    schools: Sequence[str],
    is_treated: Bools,
    pretest: Floats | None,
    blocks: Sequence[Sequence[int]] | None,
    waves: Mapping[str, int],
) -> tuple[Floats, bool]:
    """(columns of intercept, blocks, waves and pretest; whether waves are in).

    Waves are terms where each has schools of both arms; where one has not, its schools would be compared with nobody,
    and waves stay out.
    """
    columns = [np.ones(len(schools))]
    for block in list(blocks or ())[1:]:
        columns.append(np.isin(np.arange(len(schools)), list(block)).astype(float))
    wave = np.array([waves.get(school, 1) for school in schools])
    named = np.unique(wave)
    has_waves = len(named) > 1 and all(0 < is_treated[wave == one].mean() < 1 for one in named)
    if has_waves:
        columns += [(wave == one).astype(float) for one in named[1:]]
    if pretest is not None:
        columns.append(pretest - pretest.mean())
    return np.column_stack(columns), has_waves


def corrected_for_error(
    value: Floats, is_treated: Bools, pretest: Floats, terms: Floats, variance: Floats, error_variance: Floats
) -> float | None:
    """The effect with the pretest's error taken out of its slope (Fuller 1987, 2.2); None where too little is left.

    ``terms`` are those beside the pretest, ``error_variance`` the variance of each school's mean pretest that is
    error of measurement: its expected part of the pretest's sum of squares is taken off before the slope is solved.
    """
    without = SchoolModel.of(value, is_treated, terms, variance)
    x = SchoolModel.of(pretest, is_treated, terms, variance).outcome
    t, y = without.treatment, without.outcome
    leverage = (without.basis**2).sum(axis=1)
    noise = float((without.root_weight**2 * error_variance * (1.0 - leverage)).sum())
    spread = float(x @ x) - float(x @ t) ** 2 / without.information
    if spread - noise < LEAST_RELIABLE * spread or spread <= 0.0:
        return None
    slope = (float(x @ y) - float(x @ t) * float(t @ y) / without.information) / (spread - noise)
    found = (float(t @ y) - slope * float(x @ t)) / without.information
    return found if math.isfinite(found) else None
