"""A simulated district with known truth: a sender like any other. Start at :func:`simulator.district.generate`."""

from simulator.district import generate

__all__ = ["generate"]
