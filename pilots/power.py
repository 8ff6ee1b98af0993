"""Can this design ever tell? The smallest effect that it detects with the power asked for."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from pilots.decision import FORMATIVE_BELOW


def mdes(
    treated_schools: int,
    comparison_schools: int,
    pupils_per_school: float,
    icc: float,
    r2: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.80,
    r2_pupil: float | None = None,
) -> float:
    """Minimum detectable effect size, in SD, of a two-level design with schools assigned (Bloom 1995; Dong, Maynard).

    M sqrt(icc (1-R2) / (P(1-P)J) + (1-icc)(1-R2p) / (P(1-P)Jn)), M = t(1-alpha/2) + t(power) at J - 2 degrees of
    freedom. ``r2`` is the share of variance between schools that the baseline explains, and of that within unless
    ``r2_pupil`` is given.
    """
    total = treated_schools + comparison_schools
    share = treated_schools / total
    spread = share * (1 - share) * total
    df = total - 2
    multiplier = stdtrit(df, 1 - alpha / 2) + stdtrit(df, power)
    within = r2 if r2_pupil is None else r2_pupil
    variance = icc * (1 - r2) / spread + (1 - icc) * (1 - within) / (spread * pupils_per_school)
    return float(multiplier * math.sqrt(variance))


def detectable(half_width: float, df: float, alpha: float = 0.05, power: float = 0.80) -> float:
    """The effect that a comparison as exact as this one finds with the power asked for, in the unit of ``half_width``.

    ``half_width`` is half of its 1 - alpha interval at ``df`` degrees of freedom: the standard error follows from it,
    and an effect is found where it is (t(1-alpha/2) + t(power)) standard errors (Bloom 1995).
    """
    critical = float(stdtrit(df, 1 - alpha / 2))
    return half_width * (critical + float(stdtrit(df, power))) / critical


def smallest_p(treated_schools: int, comparison_schools: int) -> float:
    """The smallest two-sided p that an exact permutation of schools can reach: 2/C(G,k) for equal arms, else 1/C."""
    total = math.comb(treated_schools + comparison_schools, treated_schools)
    return (2.0 if treated_schools == comparison_schools else 1.0) / total


def advice(treated_schools: int, comparison_schools: int, detectable: float, alpha: float = 0.05) -> str:
    """What to do about it, in a sentence or two."""
    smaller = min(treated_schools, comparison_schools)
    lines = []
    if smaller < FORMATIVE_BELOW:
        lines.append(
            f"Formative only: {smaller} schools in the smaller arm; {FORMATIVE_BELOW} in each would let it tell."
        )
    if smallest_p(treated_schools, comparison_schools) > alpha:
        lines.append("This design cannot reach significance.")
    lines.append(f"It would detect an effect of {detectable:.2f} SD or more.")
    if detectable > 0.20:
        lines.append("Effects of school programmes are mostly under 0.20 SD: add schools rather than pupils.")
    return " ".join(lines)
