"""Tier of evidence under the Every Student Succeeds Act: which one the evidence reaches, and what caps it.

Definitions: 34 CFR 77.1 (strong, moderate and promising evidence); the department's non-regulatory guidance of 2016
counts a site as a district, locality or state, and asks for 350 pupils or more.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGE_SAMPLE = 350
SITES = 2
RULE = "34 CFR 77.1"
WITHOUT, WITH = "meets without reservations", "meets with reservations"
# How a study that is adjusted for its baseline and was not alike there is read; see `tier`.
CAUTIOUS, LETTER = "cautious", "letter"
READINGS = (CAUTIOUS, LETTER)


@dataclass(frozen=True)
class Tier:
    """The tier from 1 (strong) to 4 (a rationale and a study under way), and each reason with its rule."""

    tier: int
    reasons: list[str]


def tier(
    rating: str,
    *,
    is_significant_positive: bool | None,
    pupils: int | None,
    districts: int = 1,
    is_correlational: bool = False,
    reading: str = CAUTIOUS,
) -> Tier:
    """The tier of a finding rated ``rating`` by the rules of the What Works Clearinghouse.

    ``is_significant_positive`` is None where there was no test. ``pupils`` are those analysed, None where not told.
    ``is_correlational``: the analysis controls for the baseline, and the groups were not alike there. The regulation
    calls such a study promising (tier 3: "statistical controls for selection bias"). Read cautiously it is tier 4,
    since adjustment does not mend a difference above .25 SD; read by the letter it is tier 3.
    """
    if is_significant_positive is None:
        return Tier(4, [f"ESSA tier 4: no test of the gain was given, and tiers 1 to 3 ask for one ({RULE})"])
    if not is_significant_positive:
        return Tier(4, [f"ESSA tier 4 (a rationale and a study under way): no statistically significant gain ({RULE})"])
    reach = {WITHOUT: 1, WITH: 2}.get(rating)
    if reach is not None:
        return _by_sample(reach, pupils, districts)
    if not is_correlational:
        return Tier(4, [f"ESSA tier 4 (a rationale and a study under way): the study {rating} ({RULE})"])
    if reading == LETTER:
        text = "ESSA tier 3, by the letter: a correlational study with statistical controls for selection bias"
        return Tier(3, [f"{text}; no rating supports it ({RULE}, promising evidence)"])
    text = "ESSA tier 4, read cautiously: the groups were not alike and adjustment does not mend that"
    return Tier(4, [f"{text}; by the letter, adjustment alone would make it tier 3 ({RULE}, promising evidence)"])


def _by_sample(reach: int, pupils: int | None, districts: int) -> Tier:
    """Tier 1 or 2 where the sample is large and from two sites; else 3, with what is missing."""
    missing = []
    if districts < SITES:
        missing.append("a second district (one district counts as one site)")
    if pupils is None:
        missing.append(f"a count of at least {LARGE_SAMPLE} pupils")
    elif pupils < LARGE_SAMPLE:
        missing.append(f"{LARGE_SAMPLE} pupils (it has {pupils})")
    if not missing:
        return Tier(reach, [f"ESSA tier {reach}: {pupils} pupils in {districts} districts ({RULE})"])
    text = f"ESSA tier 3: with {' and '.join(missing)} it would reach tier {reach}"
    return Tier(3, [f"{text} ({RULE}: at least {LARGE_SAMPLE} pupils and more than one site)"])
