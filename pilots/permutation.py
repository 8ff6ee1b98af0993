"""Exact permutation of schools: the draw that was made, against every draw that could have been made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError

ENUMERATE_UP_TO = 200_000
TIE = 1e-10

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PermutationTest:
    """``p_value`` (two-sided, ties count), the smallest that this set of draws can give, and how many draws it has."""

    p_value: float
    smallest_p: float
    allocations: int
    is_exact: bool


def allocations(is_treated: Bools, blocks: Sequence[Sequence[int]] | None = None, seed: int = 0) -> tuple[Bools, bool]:
    """(every allocation the draw could have given, one a row; whether they are all there).

    ``blocks`` are groups of positions within which the draw kept the number of treated; None is one block. Beyond
    200,000 a sample of that size is drawn with ``seed``, the real allocation first.
    """
    groups = [list(range(len(is_treated)))] if blocks is None else [list(block) for block in blocks]
    if sorted(i for group in groups for i in group) != list(range(len(is_treated))):
        raise CairnError("blocks must hold every school exactly once; mend the plan's assignment.blocks")
    treated = [int(is_treated[group].sum()) for group in groups]
    total = math.prod(math.comb(len(group), k) for group, k in zip(groups, treated, strict=True))
    if total > ENUMERATE_UP_TO:
        return _sample(is_treated, groups, seed), False
    choices = [itertools.combinations(group, k) for group, k in zip(groups, treated, strict=True)]
    every = np.zeros((total, len(is_treated)), dtype=bool)
    for row, parts in enumerate(itertools.product(*choices)):
        every[row, [i for part in parts for i in part]] = True
    return every, True


def _sample(is_treated: Bools, groups: list[list[int]], seed: int) -> Bools:
    rng = np.random.default_rng(seed)
    drawn = np.tile(is_treated, (ENUMERATE_UP_TO, 1))
    for group in groups:
        block = drawn[1:, group]
        drawn[1:, group] = rng.permuted(block, axis=1)
    return drawn


def smallest_p(draws: Bools) -> float:
    """2/A where the mirror image of a draw is a draw too, else 1/A."""
    mirrored = bool((draws == ~draws[0]).all(axis=1).any())
    return (2.0 if mirrored else 1.0) / len(draws)


def permutation_test(
    values: Floats, is_treated: Bools, draws: Bools, weights: Floats | None = None, is_exact: bool = True
) -> PermutationTest:
    """Two-sided test of the weighted difference of school values; ``draws`` come from :func:`allocations`."""
    w = np.ones(len(values)) if weights is None else weights

    def differences(chosen: Bools) -> Floats:
        inside = chosen @ (w * values) / (chosen @ w)
        outside = ~chosen @ (w * values) / (~chosen @ w)
        return np.asarray(inside - outside)

    observed = abs(float(differences(is_treated[None, :])[0]))
    p_value = float((np.abs(differences(draws)) >= observed - TIE).mean())
    return PermutationTest(p_value, smallest_p(draws), len(draws), is_exact)
