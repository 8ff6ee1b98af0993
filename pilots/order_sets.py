"""The set of orders that waves of schools are drawn from: who starts in which wave, and who is held back.

As for arms (``pilots.allocation_sets``) the set is fixed before the draw, one of it is drawn uniformly, and the test
permutes the starts over the very same set. Alike are then not two arms but every wave, and those held back, each beside
all other schools: constrained randomisation (Raab and Butcher 2001; Moulton 2004) with several groups.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilots.allocation_sets import LEAST, MOST, SLACK, in_school_sds, limit_of
from pilots.estimators.waves_inference import every_order

# Where a design has more orders, so many candidates are drawn instead of all listed.
LIST_UP_TO = 20_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WaveBlock:
    """Schools drawn among each other, by position; ``sizes`` has how many are held back, then how many start in wave 1,
    wave 2 and so on."""

    schools: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class OrderSet:
    """``orders`` [order, school] are what is drawn from: the wave of each school from 1, 0 where it is held back.

    ``differences`` [order, trait, group] are how far each group (held back, wave 1, wave 2) is from all other schools
    of its blocks, in SD of schools. ``possible`` is how many orders the design has in all; ``limit`` the largest
    difference let in, None where the design has too few to be choosy.
    """

    orders: Ints
    differences: Floats
    possible: int
    limit: float | None


def possible_orders(blocks: Sequence[WaveBlock]) -> int:
    """How many orders keep the size of every wave in every block."""
    return math.prod(
        math.factorial(len(block.schools)) // math.prod(math.factorial(size) for size in block.sizes)
        for block in blocks
    )


def group_differences(orders: Ints, traits: Floats, blocks: Sequence[WaveBlock]) -> Floats:
    """Each group less all other schools in each trait [school, trait], within blocks, in SD of schools: [order, trait,
    group]. A trait in which schools do not differ, or a group that fills its blocks, makes no difference."""
    scaled = in_school_sds(traits)
    groups = len(blocks[0].sizes)
    found = np.zeros((len(orders), traits.shape[1], groups))
    for group in range(groups):
        share = np.zeros(orders.shape[1])
        for block in blocks:
            share[list(block.schools)] = block.sizes[group] / len(block.schools)
        weight = float((share * (1 - share)).sum())
        if weight > 0:
            found[:, :, group] = ((orders == group) - share) @ scaled / weight
    return found


def balanced_orders(traits: Floats, blocks: Sequence[WaveBlock], seed: int) -> OrderSet:
    """The set for schools with these ``traits`` [school, trait], drawn within ``blocks``.

    ``seed`` picks candidates and kept ones where there are too many to list; it is not the seed of the draw. The limit
    widens until the set holds :data:`LEAST` and no school is bound to one group in all of them.
    """
    possible = possible_orders(blocks)
    rng = np.random.default_rng(seed)
    candidates = _candidates(blocks, traits.shape[0], possible, rng)
    apart = group_differences(candidates, traits, blocks)
    if possible <= LEAST:
        return OrderSet(candidates, apart, possible, None)
    worst = np.abs(apart).max(axis=(1, 2), initial=0.0)
    limit = limit_of(candidates, worst)
    kept = np.flatnonzero(worst <= limit + SLACK)
    kept = np.sort(rng.permutation(kept)[:MOST])
    return OrderSet(candidates[kept], apart[kept], possible, limit)


def _candidates(blocks: Sequence[WaveBlock], schools: int, possible: int, rng: np.random.Generator) -> Ints:
    """Every order where they can be listed, else a large random part without repetition."""
    if possible <= LIST_UP_TO:
        parts = [list(every_order(len(block.schools), list(enumerate(block.sizes)))) for block in blocks]
        every = np.zeros((possible, schools), dtype=np.int64)
        for row, chosen in zip(every, itertools.product(*parts), strict=True):
            for block, part in zip(blocks, chosen, strict=True):
                row[list(block.schools)] = part
        return every
    drawn = np.zeros((LIST_UP_TO, schools), dtype=np.int64)
    for block in blocks:
        one = np.repeat(np.arange(len(block.sizes)), block.sizes)
        drawn[:, list(block.schools)] = rng.permuted(np.tile(one, (LIST_UP_TO, 1)), axis=1)
    return np.asarray(np.unique(drawn, axis=0))
