"""What Works Clearinghouse 5.0 rules (attrition table of 4.1): is the evidence as good as it looks?

Version 5.0 takes over the rules that are used here from the two handbooks of 4.1, and its attrition table. The numbers
given with a reason are those of 4.1, whose tables of contents are public; 5.0's own section numbers could not be
verified, so none are given.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from scipy.special import stdtr

from cairn.errors import CairnError
from cairn.settings import REPOSITORY
from pilots import essa

BOUNDARY_PATH = REPOSITORY / "schemas" / "pilots" / "wwc_attrition_boundary_v4_1.csv"
BOUNDARIES = ("cautious", "optimistic")
SLACK = 1e-8
# Baseline differences in SD: alike as they are up to the first, alike with adjustment up to the second.
ALIKE, ALIKE_ADJUSTED = 0.05, 0.25
# Intraclass correlation where a study tells none: achievement, behaviour (Procedures Handbook 4.1, Appendix F).
DEFAULT_ICC = {"achievement": 0.20, "behaviour": 0.10}

PUPILS_THAT_STAYED = "pupils in the schools that stayed"
NOT_RATED, DOES_NOT_MEET = "not rated", "does not meet"
# Where each rule stands.
_HANDBOOK = "WWC Standards Handbook 4.1"
ATTRITION_SCHOOLS = f"{_HANDBOOK}, II.B, boundary of Table II.1"
ATTRITION_PUPILS = f"{_HANDBOOK}, II.A and II.B, boundary of Table II.1"
JOINERS = f"{_HANDBOOK}, II.B"
EQUIVALENCE = f"{_HANDBOOK}, II.A"
CONFOUND = f"{_HANDBOOK}, II, confounding factors"
OUTCOMES = f"{_HANDBOOK}, outcome requirements"


@dataclass(frozen=True)
class ClusterCorrection:
    """Test of a pupil-level effect whose schools were assigned: t uncorrected and corrected, df, two-sided p."""

    t: float
    t_corrected: float
    df: float
    p_value: float


def cluster_df(total: int, per_cluster: float, icc: float) -> float:
    """Degrees of freedom h of the cluster correction."""
    n, rho = per_cluster, icc
    top = ((total - 2) - 2 * (n - 1) * rho) ** 2
    bottom = (total - 2) * (1 - rho) ** 2 + n * (total - 2 * n) * rho**2 + 2 * (total - 2 * n) * rho * (1 - rho)
    return top / bottom


def cluster_correction(g: float, n_treatment: int, n_comparison: int, clusters: int, icc: float) -> ClusterCorrection:
    """Correct a mis-aligned analysis: schools assigned, pupils analysed (Procedures Handbook 4.1, Appendix F)."""
    total = n_treatment + n_comparison
    per = total / clusters
    t = g / math.sqrt(total / (n_treatment * n_comparison) + g**2 / (2 * total))
    inner = ((total - 2) - 2 * (per - 1) * icc) / ((total - 2) * (1 + (per - 1) * icc))
    corrected, df = t * math.sqrt(inner), cluster_df(total, per, icc)
    return ClusterCorrection(t, corrected, df, float(2 * stdtr(df, -abs(corrected))))


def cluster_effect(
    g: float, n_treatment: int, n_comparison: int, clusters: int, icc: float, r2: float = 0.0
) -> tuple[float, float]:
    """(effect size gT corrected for clustering, its standard error), both in SD.

    ``r2`` is the share of the outcome's variance that the baseline explains.
    """
    total = n_treatment + n_comparison
    per = total / clusters
    corrected = g * math.sqrt(1 - 2 * (per - 1) * icc / (total - 2))
    design = (1 / n_treatment + 1 / n_comparison) * (1 + (per - 1) * icc) * (1 - r2)
    return corrected, math.sqrt(design + corrected**2 / (2 * cluster_df(total, per, icc)))


@lru_cache(maxsize=1)
def _boundary() -> dict[int, dict[str, float | None]]:
    with BOUNDARY_PATH.open(encoding="utf-8", newline="") as file:
        return {
            int(row["overall_pct"]): {
                name: float(row[f"{name}_max_diff_pp"]) if row[f"{name}_max_diff_pp"] else None for name in BOUNDARIES
            }
            for row in csv.DictReader(file)
        }


def allowed_differential(overall: float, boundary: str) -> float | None:
    """The largest difference between arms that is still low, as a share, at this overall attrition; None: none is.

    Overall attrition is read at the next whole percent above it. Raises CairnError for a boundary that is neither.
    """
    if boundary not in BOUNDARIES:
        raise CairnError(f"no attrition boundary {boundary!r}: the table has {' and '.join(BOUNDARIES)}")
    limit = _boundary().get(math.ceil(overall * 100 - SLACK), {}).get(boundary)
    return None if limit is None else limit / 100


def attrition_level(overall: float, differential: float, boundary: str) -> str:
    """'low' or 'high' for shares in 0..1; overall attrition is read at the next whole percent above it."""
    limit = allowed_differential(overall, boundary)
    return "low" if limit is not None and abs(differential) <= limit + SLACK else "high"


@dataclass(frozen=True)
class Attrition:
    """Who was lost of the ``units`` assigned: shares in 0..1, overall and between arms, read at a boundary."""

    units: str
    overall: float
    differential: float
    boundary: str

    @property
    def level(self) -> str:
        """'low' or 'high'."""
        return attrition_level(self.overall, self.differential, self.boundary)

    def in_words(self) -> str:
        """The level with the numbers that it was read from."""
        limit = allowed_differential(self.overall, self.boundary)
        allows = "nothing" if limit is None else f"{100 * limit:.1f} points"
        return (
            f"attrition of {self.units} is {self.level}: {100 * self.overall:.1f} % overall and "
            f"{100 * abs(self.differential):.1f} points between arms; the {self.boundary} boundary allows {allows}"
        )


def baseline_equivalence(g: float) -> str:
    """'satisfied', 'with_adjustment' or 'not_satisfied', for the baseline difference of the analytic sample."""
    size = abs(g)
    if size <= ALIKE + SLACK:
        return "satisfied"
    return "with_adjustment" if size <= ALIKE_ADJUSTED + SLACK else "not_satisfied"


@dataclass(frozen=True)
class Rating:
    """Rating of the evidence, the ESSA tier it reaches, and the reasons of both, each with rule and numbers."""

    rating: str
    essa_tier: int
    reasons: list[str] = field(default_factory=list)


def rate(
    *,
    is_random: bool,
    attrition: str | Attrition,
    equivalence: str,
    is_adjusted: bool,
    is_outcome_independent: bool,
    schools_treatment: int | None,
    schools_comparison: int | None,
    pupils: int | None,
    is_significant_positive: bool | None,
    school_attrition: str | Attrition = "low",
    joiners_share: float = 0.0,
    is_over_aligned: bool = False,
    is_measured_alike: bool = True,
    baseline_g: float | None = None,
    districts: int = 1,
    essa_reading: str = essa.CAUTIOUS,
) -> Rating:
    """WWC rating and ESSA tier of a study that assigned schools (Standards Handbook 4.1, II.B, step by step).

    ``school_attrition`` is asked first, then ``attrition`` of pupils in the schools that stayed, each a level or an
    :class:`Attrition`. ``joiners_share``: pupils of the analysis who came after assignment. ``equivalence`` is what
    :func:`baseline_equivalence` says of the analytic sample (difference ``baseline_g``), or 'not_shown';
    ``is_adjusted``: whether the analysis adjusts for the baseline. ``is_over_aligned``: the outcome asks for what only
    the treated were taught. Counts that are None were not told.
    """
    if not is_outcome_independent:
        return Rating(
            NOT_RATED, 4, [f"the outcome is made by the treatment itself, so there is no rating ({OUTCOMES})"]
        )
    if is_over_aligned:
        text = "the outcome is over-aligned: it asks for what only the treated were taught, so there is no rating"
        return Rating(NOT_RATED, 4, [f"{text} ({OUTCOMES})"])
    if not is_measured_alike:
        text = "the outcome was not measured alike in both arms, so the difference may be the measure's"
        return Rating(DOES_NOT_MEET, 4, [f"{text} ({OUTCOMES})"])
    reasons = _confound(schools_treatment, schools_comparison)
    if (
        schools_treatment is not None
        and schools_comparison is not None
        and min(schools_treatment, schools_comparison) < 2
    ):
        return Rating(DOES_NOT_MEET, 4, reasons)
    doubts, told = _doubts(is_random, school_attrition, attrition, joiners_share)
    is_equivalent = equivalence == "satisfied" or (equivalence == "with_adjustment" and is_adjusted)
    alike = _alike(equivalence, baseline_g, is_adjusted)
    if not doubts:
        rating = essa.WITHOUT
        told.append("schools were drawn at random and attrition is low, so equivalence is not asked for")
    else:
        rating = essa.WITH if is_equivalent else DOES_NOT_MEET
        joint = "and" if is_equivalent else "but"
        told.append(f"{' and '.join(doubts)}, {joint} {alike}")
    tier = essa.tier(
        rating,
        is_significant_positive=is_significant_positive,
        pupils=pupils,
        districts=districts,
        is_correlational=is_adjusted and not is_equivalent,
        reading=essa_reading,
    )
    return Rating(rating, tier.tier, [*reasons, *told, *tier.reasons])


def _confound(schools_treatment: int | None, schools_comparison: int | None) -> list[str]:
    """What is said of one school in an arm, or of counts that were not told."""
    if schools_treatment is None or schools_comparison is None:
        return [f"numbers of schools were not given, so one school in an arm is not excluded ({CONFOUND})"]
    if min(schools_treatment, schools_comparison) >= 2:
        return []
    text = "one school in an arm: the school and the change cannot be told apart"
    return [f"{text} ({schools_treatment} and {schools_comparison} schools; {CONFOUND})"]


def _doubts(
    is_random: bool, school_attrition: str | Attrition, attrition: str | Attrition, joiners_share: float
) -> tuple[list[str], list[str]]:
    """(why equivalence has to be shown, in a few words each; what was looked at, each with its numbers)."""
    if not is_random:
        return ["schools were not assigned at random"], []
    doubts, told = [], []
    for units, one in (("schools", school_attrition), ("pupils", attrition)):
        level = one.level if isinstance(one, Attrition) else one
        if isinstance(one, Attrition):
            told.append(f"{one.in_words()} ({ATTRITION_SCHOOLS if units == 'schools' else ATTRITION_PUPILS})")
        if level != "low":
            doubts.append("attrition is high" if units == "pupils" else "too many schools were lost")
    if joiners_share > 0:
        told.append(f"{100 * joiners_share:.1f} % of the pupils analysed joined after assignment ({JOINERS})")
        doubts.append("pupils who joined later are in the analysis")
    return doubts, told


def _alike(equivalence: str, baseline_g: float | None, is_adjusted: bool) -> str:
    """What the baseline of the analytic sample says, with its number where there is one."""
    number = "" if baseline_g is None else f"baseline difference {baseline_g:+.3f} SD; "
    if equivalence == "satisfied":
        text, limit = "the groups were alike at baseline", f"up to {ALIKE} needs no adjustment"
    elif equivalence == "with_adjustment":
        limit = f"{ALIKE} to {ALIKE_ADJUSTED} asks for adjustment"
        text = (
            "the groups were alike at baseline after adjustment"
            if is_adjusted
            else ("the groups were not alike at baseline without adjustment")
        )
    elif equivalence == "not_satisfied":
        text, limit = "the groups were not alike at baseline", f"above {ALIKE_ADJUSTED} nothing mends it"
    else:
        text, limit = "it was not shown that the groups were alike at baseline", "give the baseline difference"
    return f"{text} ({number}{limit}; {EQUIVALENCE})"


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several outcomes in one domain, in the order given."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    adjusted, smallest = [0.0] * count, 1.0
    for position, index in enumerate(order):
        smallest = min(smallest, p_values[index] * count / (count - position))
        adjusted[index] = smallest
    return adjusted
