"""The pilot marts of a simulated district like the demo's: what the platform should arrive at, in no time."""

from __future__ import annotations

from functools import lru_cache

from benchmarks.simulated_pilots import Marts, Simulated, simulated
from pilots.plan import Plan

__all__ = ["Marts", "simulated_pilots"]


def simulated_pilots(seed: int, activity: float = 1.0) -> dict[str, tuple[Plan, Marts]]:
    """Plan and (mart_pilot_pupil, mart_pilot_school, mart_rollout_school) of both pilots in 24 schools; ``activity`` is
    how often pupils open their apps, most of what a district takes to simulate. The frames are the caller's own."""
    made = _district(seed, activity)
    return {
        name: (one.plan, (one.marts[0].copy(), one.marts[1].copy(), one.marts[2].copy())) for name, one in made.items()
    }


@lru_cache(maxsize=1)
def _district(seed: int, activity: float) -> dict[str, Simulated]:
    """One district after the other; the one that a file's tests share is simulated once."""
    return simulated(seed, 24, 1500, 60, activity=activity)
