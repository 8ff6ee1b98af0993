"""What Works Clearinghouse 5.0 rules (attrition table of 4.1): is the evidence as good as it looks?"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cairn.settings import REPOSITORY

BOUNDARY_PATH = REPOSITORY / "schemas" / "pilots" / "wwc_attrition_boundary_v4_1.csv"
SLACK = 1e-8
LARGE_SAMPLE = 350


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
    """Correct a mis-aligned analysis (schools assigned, pupils analysed)."""
    from scipy.special import stdtr

    total = n_treatment + n_comparison
    per = total / clusters
    t = g / math.sqrt(total / (n_treatment * n_comparison) + g**2 / (2 * total))
    inner = ((total - 2) - 2 * (per - 1) * icc) / ((total - 2) * (1 + (per - 1) * icc))
    corrected, df = t * math.sqrt(inner), cluster_df(total, per, icc)
    return ClusterCorrection(t, corrected, df, float(2 * stdtr(df, -abs(corrected))))


def cluster_effect(
    g: float, n_treatment: int, n_comparison: int, clusters: int, icc: float, r2: float = 0.0
) -> tuple[float, float]:
    """(effect size gT corrected for clustering, its standard error)."""
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
                name: float(row[f"{name}_max_diff_pp"]) if row[f"{name}_max_diff_pp"] else None
                for name in ("cautious", "optimistic")
            }
            for row in csv.DictReader(file)
        }


def attrition_level(overall: float, differential: float, boundary: str) -> str:
    """'low' or 'high' for shares in 0..1; overall attrition is read at the next whole percent above it."""
    limit = _boundary().get(math.ceil(overall * 100 - SLACK), {}).get(boundary)
    if limit is None:
        return "high"
    return "low" if abs(differential) * 100 <= limit + SLACK * 100 else "high"


def baseline_equivalence(g: float) -> str:
    """'satisfied', 'with_adjustment' or 'not_satisfied', for the baseline difference of the analytic sample."""
    size = abs(g)
    return "satisfied" if size <= 0.05 else "with_adjustment" if size <= 0.25 else "not_satisfied"


@dataclass(frozen=True)
class Rating:
    """Rating of the evidence, the ESSA tier one district can reach, and the reasons of both."""

    rating: str
    essa_tier: int
    reasons: list[str] = field(default_factory=list)


def rate(
    *,
    is_random: bool,
    attrition: str,
    equivalence: str,
    is_adjusted: bool,
    is_outcome_independent: bool,
    schools_treatment: int,
    schools_comparison: int,
    pupils: int,
    is_significant_positive: bool,
) -> Rating:
    """WWC rating and ESSA tier. ``is_adjusted``: whether the analysis adjusts for the baseline."""
    is_equivalent = equivalence == "satisfied" or (equivalence == "with_adjustment" and is_adjusted)
    if not is_outcome_independent:
        return Rating("not rated", 4, ["the outcome is made by the treatment itself, so there is no rating"])
    if min(schools_treatment, schools_comparison) < 2:
        return Rating("does not meet", 4, ["one school in an arm: the school and the change cannot be told apart"])
    if is_random and attrition == "low":
        rating, reasons = "meets without reservations", ["schools were drawn at random and attrition is low"]
    elif is_equivalent:
        why = "attrition is high" if is_random else "schools were not assigned at random"
        rating, reasons = "meets with reservations", [f"{why}, and the groups were alike at baseline"]
    else:
        why = "attrition is high" if is_random else "schools were not assigned at random"
        rating, reasons = "does not meet", [f"{why}, and the groups were not alike at baseline"]
    return Rating(rating, *_essa(rating, reasons, pupils, is_significant_positive))


def _essa(rating: str, reasons: list[str], pupils: int, is_significant_positive: bool) -> tuple[int, list[str]]:
    """One district is one site, so tiers 1 and 2 stay out of reach; say what a second district would bring."""
    would = {"meets without reservations": 1, "meets with reservations": 2}.get(rating, 4)
    if not is_significant_positive:
        return 4, [*reasons, "no statistically significant gain yet: ESSA tier 4 (a rationale and a study under way)"]
    if would == 4:
        return 4, [*reasons, "ESSA tier 4 (a rationale and a study under way)"]
    reach = f"tier {would}" if pupils >= LARGE_SAMPLE else f"tier {would} with {LARGE_SAMPLE} pupils"
    text = f"ESSA tier 3: one district counts as one site; with a second district it would reach {reach}"
    return 3, [*reasons, text]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several outcomes in one domain, in the order given."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    adjusted, smallest = [0.0] * count, 1.0
    for position, index in enumerate(order):
        smallest = min(smallest, p_values[index] * count / (count - position))
        adjusted[index] = smallest
    return adjusted
