"""Growth against a norm, as NWEA tells it: conditional growth index and percentile.

The norms may not be redistributed: they are the district's own, licensed. An index may be averaged; a percentile never
is, since the steps between percentiles are not equal (NWEA says so of its own), so a group has the percentile of its
mean index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cairn.errors import CairnError


@dataclass(frozen=True)
class GroupGrowth:
    """A group's growth: pupils, mean index in SD of growth, and the percentile of that mean index."""

    pupils: int
    mean_index: float
    percentile_of_mean_index: int


def growth_index(observed: float, norm: float, sd: float) -> float:
    """Conditional growth index (CGI): growth above the norm's mean, in the norm's SD of growth.

    All three in the test's points. Raises CairnError where the SD is not above nought or a number is not finite.
    """
    if not sd > 0 or not all(math.isfinite(number) for number in (observed, norm, sd)):
        raise CairnError(f"growth {observed}, norm {norm}, SD {sd}: give numbers, and an SD above 0")
    return (observed - norm) / sd


def growth_percentile(index: float) -> int:
    """Conditional growth percentile (CGP) of an index: 100 Phi(CGI), a whole number within 1..99."""
    return min(99, max(1, math.floor(50.0 * (1.0 + math.erf(index / math.sqrt(2.0))) + 0.5)))


def group_growth(indices: Sequence[float]) -> GroupGrowth:
    """Growth of a group from its pupils' indices. Raises CairnError where there are none."""
    if not indices:
        raise CairnError("no pupil has growth against the norm: two tests and a norm between them are needed")
    mean = math.fsum(indices) / len(indices)
    return GroupGrowth(len(indices), mean, growth_percentile(mean))
