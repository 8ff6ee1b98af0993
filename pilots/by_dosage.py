"""Treated pupils by how much of the planned time they got, each beside comparison pupils. This is no effect.

Who gets much of it differs from who gets little in more than time (attendance, will, a school that runs well), and
nobody drew it. So it is told as what it is, with no interval and no chance, and nothing is decided by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cairn.privacy import held_back
from pilots.analysis import Analysis
from pilots.plan import Plan

NOT_CAUSAL = (
    "This is no effect of time: pupils who got more of it differ from those who got less in other ways too, and nobody"
    " drew who got how much."
)
# Share of the planned minutes from which a pupil is in the band, and its name.
BANDS = (
    (1.0, "all of the planned time or more"),
    (0.5, "half of it to all"),
    (1e-9, "under half of it"),
    (0.0, "none"),
)


def by_dosage(plan: Plan, analysis: Analysis, n_min: int) -> list[dict[str, Any]]:
    """A row for each band that has treated pupils, most time first: ``dosage``, ``pupils`` and ``difference_sd`` from
    comparison pupils, adjusted for the score before by the slope within schools, in SD.

    Numbers of bands under ``n_min`` pupils, and of those that they could be told from, are None. Empty where the
    analysis keeps no pupils (waves), or nobody has a minute.
    """
    scored = analysis.scored
    if scored is None:
        return []
    minutes = scored.frame["dosage_minutes"].fillna(0.0).to_numpy(dtype=float)
    treated = scored.is_treated
    if not (minutes[treated] > 0).any():
        return []
    slope = analysis.schools.slope
    left = scored.outcome - slope * scored.baseline
    left = left - left[~treated].mean()
    share = minutes / float(plan.implementation["dosage_minutes_planned"])
    upper, found = np.inf, []
    for least, name in BANDS:
        band = treated & (share >= least) & (share < upper)
        upper = least
        if band.any():
            found.append((name, int(band.sum()), float(left[band].mean())))
    hidden = held_back({name: count for name, count, _ in found}, n_min)
    return [
        {
            "dosage": name,
            "pupils": None if name in hidden else count,
            "difference_sd": None if name in hidden else difference,
        }
        for name, count, difference in found
    ]
