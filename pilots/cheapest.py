"""The cheapest change that makes a design able to tell: more schools, more pupils in each, a pretest, blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pilots.power import CAN, Design

MOST_SCHOOLS_ADDED = 400


@dataclass(frozen=True)
class Costs:
    """What a change costs, in one currency; None: not told, then the fewest schools count as the cheapest.

    ``pretest_pupil`` is the price of one more test for each pupil.
    """

    school: float | None = None
    pupil: float = 0.0
    pretest_pupil: float = 0.0
    blocks: float = 0.0


@dataclass(frozen=True)
class Limits:
    """How far a change can go, and what is expected of it.

    ``pupils_per_school``: the most that can be measured; ``r2``: what a pretest would explain, None where none can be
    had; ``blocks`` and ``r2_blocks``: how many groups of like schools could be made, and what they would explain.
    """

    pupils_per_school: float
    r2: float | None = 0.70
    blocks: int = 1
    r2_blocks: float = 0.30


@dataclass(frozen=True)
class Change:
    """A design that can tell, and what it takes to come there; ``cost`` is None where no prices were told."""

    design: Design
    schools_added: int
    pupils_added: float
    has_pretest_added: bool
    has_blocks_added: bool
    cost: float | None

    def in_words(self) -> str:
        """The change as a sentence."""
        parts = []
        if self.schools_added:
            parts.append(
                f"{self.schools_added} more schools ({self.design.treated_schools} with the change, "
                f"{self.design.comparison_schools} without)"
            )
        if self.pupils_added:
            parts.append(f"{self.pupils_added:g} more pupils in each school")
        if self.has_pretest_added:
            parts.append("a pretest")
        if self.has_blocks_added:
            parts.append(f"a draw within {self.design.blocks} blocks of like schools")
        price = "" if self.cost is None else f" at a cost of {self.cost:,.0f}"
        done = f"{', '.join(parts)}{price}; it would detect {self.design.mdes:.2f} SD."
        return f"The cheapest change that lets it tell: {done}"


def cheapest(design: Design, effect: float, costs: Costs, limits: Limits) -> Change | None:
    """The cheapest change after which the design can tell ``effect`` (in SD); None: none does within the limits.

    Every combination is tried: for each of more pupils, pretest and blocks the fewest schools that suffice. Schools
    are added to the smaller arm first, then to both in turn. A design that can tell already needs none, which is None
    too.
    """
    if design.verdict(effect) == CAN:
        return None
    found = [change for one in _variants(design, limits) if (change := _fewest_schools(design, one, effect, costs))]
    return min(found, key=_order, default=None)


def _order(change: Change) -> tuple[float, float, float, int]:
    """What is cheaper comes first; without prices fewer schools, then fewer pupils, then fewer things to do."""
    things = change.has_pretest_added + change.has_blocks_added
    return (change.cost or 0.0, change.schools_added, change.pupils_added, things)


def _variants(design: Design, limits: Limits) -> Iterator[Design]:
    """The design with each combination of more pupils, a pretest and blocks, its schools as they are."""
    now = design.pupils_per_school
    pupils = {now, *(min(limits.pupils_per_school, math.ceil(now * part)) for part in (1.25, 1.5, 2.0, 3.0, 4.0))}
    pretests = {(design.r2_school, design.r2_pupil, design.covariates)}
    if limits.r2 is not None and limits.r2 > max(design.r2_school, design.r2_pupil):
        pretests.add((limits.r2, limits.r2, max(1, design.covariates)))
    blocks = {(design.blocks, design.r2_blocks)}
    if limits.blocks > design.blocks:
        blocks.add((limits.blocks, max(limits.r2_blocks, design.r2_blocks)))
    for measured in sorted(n for n in pupils if n >= now):
        for r2_school, r2_pupil, covariates in sorted(pretests):
            for number, r2_blocks in sorted(blocks):
                if number <= design.smaller_arm and design.schools - number - covariates > 1:
                    yield replace(
                        design,
                        pupils_per_school=measured,
                        r2_school=r2_school,
                        r2_pupil=r2_pupil,
                        covariates=covariates,
                        blocks=number,
                        r2_blocks=r2_blocks,
                    )


def _fewest_schools(before: Design, variant: Design, effect: float, costs: Costs) -> Change | None:
    """The variant with the fewest schools added that can tell; None where even the most do not suffice."""
    low, high = -1, MOST_SCHOOLS_ADDED
    if _with_schools(variant, high).verdict(effect) != CAN:
        return None
    while high - low > 1:  # what more schools can tell, fewer may not: the verdict is monotone in schools
        middle = (low + high) // 2
        low, high = (low, middle) if _with_schools(variant, middle).verdict(effect) == CAN else (middle, high)
    after = _with_schools(variant, high)
    has_pretest = (after.r2_school, after.r2_pupil) != (before.r2_school, before.r2_pupil)
    has_blocks = after.blocks != before.blocks
    cost = None
    if costs.school is not None:
        pupils = after.schools * after.pupils_per_school
        cost = high * costs.school + (pupils - before.schools * before.pupils_per_school) * costs.pupil
        cost += (pupils * costs.pretest_pupil if has_pretest else 0.0) + (costs.blocks if has_blocks else 0.0)
    return Change(after, high, after.pupils_per_school - before.pupils_per_school, has_pretest, has_blocks, cost)


def _with_schools(design: Design, added: int) -> Design:
    """So many more schools: to the smaller arm until both are equal, then to both in turn."""
    treated, comparison = design.treated_schools, design.comparison_schools
    first = min(added, abs(treated - comparison))
    if treated < comparison:
        treated += first
    else:
        comparison += first
    rest = added - first
    return replace(design, treated_schools=treated + rest // 2, comparison_schools=comparison + rest - rest // 2)
