"""The pilot marts of a simulated district like the demo's: what the platform should arrive at, in no time."""

from __future__ import annotations

from benchmarks.simulated_pilots import Marts, simulated
from pilots.plan import Plan

__all__ = ["Marts", "simulated_pilots"]


def simulated_pilots(seed: int) -> dict[str, tuple[Plan, Marts]]:
    """Plan and (mart_pilot_pupil, mart_pilot_school, mart_rollout_school) of both pilots in 24 schools."""
    return {name: (one.plan, one.marts) for name, one in simulated(seed, 24, 1500, 60).items()}
