"""Critical values for a test that is looked at several times while schools are added.

Only new schools are new information: the same schools seen again in another window spend nothing and add nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from cairn.errors import UsageError
from pilots.plan import Plan

Floats = NDArray[np.float64]

# Nodes of the integral over the statistic between the limits: more change no critical value by 1e-9.
NODES, WEIGHTS = leggauss(120)
LARGEST = 12.0
CLASSICAL, SPENT = "obrien-fleming", "lan-demets"
SPENDINGS = (CLASSICAL, SPENT)


def fractions_of(plan: Plan) -> list[float]:
    """The share of the plan's schools that have been looked at once each wave has had its look: only they are new."""
    waves = list(plan.waves.values())
    return [sum(one <= wave for one in waves) / len(waves) for wave in sorted(set(waves))]


def boundaries_of(spending: str, fractions: Sequence[float], alpha: float) -> dict[str, Any]:
    """The limits of |z| at each look by one of :data:`SPENDINGS`, and the constant of the classical ones.

    The classical limits are for looks equally far apart. Raises UsageError where they are not.
    """
    constant = None
    if spending == CLASSICAL:
        count = len(fractions)
        if not np.allclose(fractions, np.arange(1, count + 1) / count):
            raise UsageError(
                "O'Brien and Fleming's limits are for looks that add as many schools each;"
                f" these are at {', '.join(f'{one:.0%}' for one in fractions)}: give --spending {SPENT}"
            )
        constant = obrien_fleming_constant(count, alpha)
        limits = [constant / math.sqrt(share) for share in fractions]
    else:
        limits = lan_demets_limits(fractions, alpha)
    looks = [
        {"look": number, "share": share, "limit": limit}
        for number, (share, limit) in enumerate(zip(fractions, limits, strict=True), start=1)
    ]
    return {"spending": spending, "alpha": alpha, "constant": constant, "looks": looks}


def obrien_fleming_constant(looks: int, alpha: float = 0.05) -> float:
    """C of O'Brien and Fleming (1979): reject at look k of K, equally spaced, where |z| >= C sqrt(K / k).

    Two-sided. Jennison and Turnbull (2000), Group Sequential Methods, table 2.3: 2.040 for five looks at .05.
    """
    if looks < 1:
        raise UsageError("at least one look at the data is needed")
    times = np.arange(1, looks + 1) / looks

    def excess(constant: float) -> float:
        return float(sum(_spent(times, constant / np.sqrt(times)))) - alpha

    return float(brentq(excess, 0.5, LARGEST, xtol=1e-10))


def lan_demets_limits(fractions: Sequence[float], alpha: float = 0.05) -> list[float]:
    """Limits for |z| at each look by Lan and DeMets's (1983) spending function of the O'Brien-Fleming type.

    Each side spends half of alpha, 2 - 2 Phi(z(alpha/4) / sqrt(t)) of it by the time t, z(q) the upper q quantile.
    ``fractions``: the share of the planned information (schools) at each look, rising to at most 1; they need not be
    planned ahead. For five equal looks at .05 the last is 2.031 (R's gsDesign, sfLDOF: 4.877 3.357 2.680 2.290 2.031).
    """
    times = np.asarray(fractions, dtype=float)
    if len(times) == 0 or times[0] <= 0 or times[-1] > 1 or (np.diff(times) <= 0).any():
        raise UsageError(f"looks at {list(fractions)}: give rising shares of the planned schools, above 0 and up to 1")
    spent = 4 - 4 * ndtr(ndtri(1 - alpha / 4) / np.sqrt(times))
    limits: list[float] = []
    for look in range(len(times)):
        now = float(spent[look] - (spent[look - 1] if look else 0.0))

        def excess(limit: float, before: Sequence[float] = tuple(limits), now: float = now) -> float:
            return _spent(times[: len(before) + 1], np.array([*before, limit]))[-1] - now

        limits.append(_limit(excess))
    return limits


def _limit(excess: Callable[[float], float]) -> float:
    """Where so little is spent that no float tells it from nothing, a limit that nothing reaches."""
    return LARGEST if excess(LARGEST) >= 0 else float(brentq(excess, 0.0, LARGEST, xtol=1e-10))


def _spent(times: Floats, limits: Floats) -> list[float]:
    """Chance under no effect of the first rejection at each look.

    The recursive integral of Armitage, McPherson and Rowe (1969) over z sqrt(t), a Brownian motion, between the limits,
    by Gauss-Legendre quadrature.
    """
    edges = limits * np.sqrt(times)
    spent: list[float] = []
    density: Floats = np.ones(1)
    places: Floats = np.zeros(1)
    measure: Floats = np.ones(1)
    before = 0.0
    for time, edge in zip(times, edges, strict=True):
        spread = math.sqrt(time - before)
        outside = ndtr((-edge - places) / spread) + ndtr((places - edge) / spread)
        spent.append(float((density * measure) @ outside))
        new = NODES * edge
        steps = np.exp(-0.5 * ((new[:, None] - places) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
        density, places, measure, before = steps @ (density * measure), new, WEIGHTS * edge, float(time)
    return spent
