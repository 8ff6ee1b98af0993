"""The set of allocations that a draw of schools is made from: those that leave the arms alike.

Constrained randomisation (Raab and Butcher 2001; Moulton 2004): the set is fixed before the draw, one of it is drawn
uniformly, and the test permutes over the very same set. Taking the best of many draws instead would leave nothing to
permute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from pilots import permutation

# A set has at least so many allocations, where the design has as many; of more than the second, a random part is kept.
LEAST, MOST = 200, 2000
# Largest difference between arms in SD of schools: first this, then wider by steps until the set is large enough.
FIRST_LIMIT, LIMIT_STEP = 0.25, 0.05
SLACK = 1e-9

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Schools drawn among each other, by position, and how many of them get the change."""

    schools: tuple[int, ...]
    treated: int

    @property
    def share(self) -> float:
        """Share that gets the change."""
        return self.treated / len(self.schools)


@dataclass(frozen=True)
class AllocationSet:
    """``allocations`` [allocation, school] are what is drawn from; ``differences`` [allocation, trait] how far the arms
    are apart, in SD of schools.

    ``possible`` is how many the design has in all; ``limit`` the largest difference let in, None where the design has
    too few to be choosy.
    """

    allocations: Bools
    differences: Floats
    possible: int
    limit: float | None


def possible_allocations(blocks: Sequence[Block]) -> int:
    """How many allocations keep the number of treated in every block."""
    return math.prod(math.comb(len(block.schools), block.treated) for block in blocks)


def differences(allocations: Bools, traits: Floats, blocks: Sequence[Block]) -> Floats:
    """Treatment less comparison of each trait [school, trait], within blocks, in SD of schools [allocation, trait].

    The coefficient of treatment beside block terms, which is the plain difference of means where shares are equal. A
    trait in which schools do not differ makes no difference.
    """
    share = np.zeros(allocations.shape[1])
    for block in blocks:
        share[list(block.schools)] = block.share
    weight = float((share * (1 - share)).sum())
    return np.asarray((allocations - share) @ in_school_sds(traits) / weight)


def in_school_sds(traits: Floats) -> Floats:
    """Each trait [school, trait] as distance from its mean, in SD of schools; 0 where schools do not differ."""
    spread = traits.std(axis=0, ddof=1)
    scaled = np.divide(traits - traits.mean(axis=0), spread, out=np.zeros_like(traits), where=spread > 0)
    return np.asarray(scaled)


def balanced_set(traits: Floats, blocks: Sequence[Block], seed: int) -> AllocationSet:
    """The set for schools with these ``traits`` [school, trait], drawn within ``blocks``.

    ``seed`` picks candidates and kept ones where there are too many to list; it is not the seed of the draw. The limit
    widens until the set holds :data:`LEAST` and every school can come into either arm. Raises CairnError where a block
    has one arm alone.
    """
    for block in blocks:
        if not 0 < block.treated < len(block.schools):
            raise CairnError(
                f"a block of {len(block.schools)} schools with {block.treated} treated has one arm alone: "
                "leave a school for each arm in every block"
            )
    candidates = _candidates(blocks, traits.shape[0], seed)
    apart = differences(candidates, traits, blocks)
    possible = possible_allocations(blocks)
    if possible <= LEAST:
        return AllocationSet(candidates, apart, possible, None)
    worst = np.abs(apart).max(axis=1, initial=0.0)
    limit = limit_of(candidates, worst)
    kept = _at_most(candidates[worst <= limit + SLACK], blocks, seed)
    return AllocationSet(kept, differences(kept, traits, blocks), possible, limit)


def _candidates(blocks: Sequence[Block], schools: int, seed: int) -> Bools:
    """Every allocation where they can be listed, else a large random part without repetition."""
    first = np.zeros(schools, dtype=bool)
    for block in blocks:
        first[list(block.schools[: block.treated])] = True
    found, is_whole = permutation.allocations(first, [block.schools for block in blocks], seed)
    if is_whole:
        return found
    # The first is the arbitrary one that the others were made from: it was not drawn.
    return np.asarray(np.unique(found[1:], axis=0))


def limit_of(candidates: NDArray[Any], worst: Floats) -> float:
    """The smallest limit by which enough ``candidates`` [allocation, school] are let in, each by its ``worst``
    difference; of orders of waves as of arms."""
    limit = FIRST_LIMIT
    while not _is_enough(candidates[worst <= limit + SLACK]):
        limit = round(limit + LIMIT_STEP, 2)
    return limit


def _is_enough(candidates: NDArray[Any]) -> bool:
    """Whether there are so many of them, and no school is bound to one arm, or to one wave."""
    return len(candidates) >= LEAST and bool((candidates != candidates[0]).any(axis=0).all())


def _at_most(allocations: Bools, blocks: Sequence[Block], seed: int) -> Bools:
    """No more than :data:`MOST`, as a random part; mirror images stay together where blocks have equal arms."""
    rng = np.random.default_rng(seed)
    if all(2 * block.treated == len(block.schools) for block in blocks):
        # A listed set has both of each pair, a random one perhaps one: the half in which the first school is treated.
        half = np.unique(np.where(allocations[:, :1], allocations, ~allocations), axis=0)
        chosen = half[np.sort(rng.permutation(len(half))[: MOST // 2])]
        return np.concatenate([chosen, ~chosen[::-1]])
    return allocations[np.sort(rng.permutation(len(allocations))[:MOST])]


def blocks_of_like(values: Floats, number: int) -> list[tuple[int, ...]]:
    """Positions of schools in ``number`` blocks of like ``values``, neighbours by value, as alike in size as can be."""
    if not 1 <= number <= len(values) // 2:
        raise CairnError(f"{number} blocks of {len(values)} schools: a block needs two schools at least")
    order = np.argsort(values, kind="stable")
    return [tuple(sorted(int(one) for one in part)) for part in np.array_split(order, number)]
