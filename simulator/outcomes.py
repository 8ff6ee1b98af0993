"""Interim assessments: true ability, growth, a school's own share, the pilots' true effect, measurement error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.framework import DOMAINS, SUBJECTS
from simulator.pilot_design import PilotTruth
from simulator.roster_files import write_csv
from simulator.world import World

ASSESSMENTS = ("District Interim Mathematics", "District Interim Reading")
WINDOWS = ("fall", "winter")
HEADER = (
    "StudentId",
    "Assessment",
    "Subject",
    "Window",
    "TakenDate",
    "Measure",
    "ScaleScore",
    "StandardError",
    "Percentile",
    "RapidGuess",
)
SCALE_MEAN, SCALE_SD, GRADE_STEP, GROWTH, ERROR_SD = 200.0, 12.0, 2.0, 4.0, 4.0
GROWTH_SD, SCHOOL_GROWTH_SD = 2.0, 0.9
TESTED_SHARE, RAPID_SHARE = 0.96, 0.015

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Scores [window, subject, pupil], NaN where not tested, and the points that each pilot's effect is worth."""

    score: Floats
    taken: NDArray[np.int64]
    is_rapid: NDArray[np.bool_]
    effect_points: dict[str, float]


def simulate_outcomes(world: World, pilots: list[PilotTruth], seed: int) -> Outcomes:
    """Draw both windows. A pilot's effect is its size times the SD of what its pupils would have scored without it."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
    students, n = world.students, len(world.students)
    windows = (world.dates.fall, world.dates.winter)
    base = SCALE_MEAN + GRADE_STEP * (students.grade - 3)[None, :] + SCALE_SD * students.ability_by.T
    growth = GROWTH + rng.normal(0, GROWTH_SD, (2, n))
    growth += rng.normal(0, SCHOOL_GROWTH_SD, (2, len(world.school_ids)))[:, students.school]
    true = np.stack([base, base + growth])
    error = rng.normal(0, ERROR_SD, true.shape)
    is_rapid = rng.random(true.shape) < RAPID_SHARE
    error = np.where(is_rapid, error - np.abs(rng.normal(0, 12, true.shape)), error)
    effect_points: dict[str, float] = {}
    for pilot in pilots:
        inside = np.isin(students.school, pilot.pool)
        points = pilot.effect_sd * float(np.std((true + error)[1, pilot.subject, inside]))
        effect_points[pilot.pilot_id] = points
        mean_dose = float(pilot.dose[pilot.is_treated].mean()) if pilot.is_treated.any() else 1.0
        true[1, pilot.subject] += points * pilot.dose / mean_dose
    taken = np.stack([rng.integers(low, high + 1, (2, n)) for low, high in windows])
    tested = (rng.random(true.shape) < TESTED_SHARE) & (students.join_day[None, None, :] <= taken)
    return Outcomes(np.where(tested, np.round(true + error, 1), np.nan), taken, is_rapid, effect_points)


def write_outcomes(world: World, outcomes: Outcomes, out: Path, seed: int) -> int:
    """``assessments/fall.csv`` and ``winter.csv``: overall and a strand a domain; returns the number of rows."""
    from scipy.special import ndtr

    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    written = 0
    for w, window in enumerate(WINDOWS):
        rows: list[list[Any]] = []
        for s, subject in enumerate(SUBJECTS):
            score = outcomes.score[w, s]
            measures = {"overall": (score, 3.2)} | {
                title: (np.round(score + rng.normal(0, 4.0, score.shape), 1), 5.1)
                for title, _ in DOMAINS[subject].values()
            }
            centre, spread = np.nanmean(score), max(float(np.nanstd(score)), 1e-9)
            days = [day.isoformat() for day in world.dates.days]
            for measure, (values, standard_error) in measures.items():
                percentile = np.clip(np.round(100 * ndtr((values - centre) / spread)), 1, 99)
                for i in np.flatnonzero(~np.isnan(score)).tolist():
                    rows.append(
                        [
                            world.students.id[i],
                            ASSESSMENTS[s],
                            subject,
                            window,
                            days[outcomes.taken[w, s, i]],
                            measure,
                            f"{values[i]:.1f}",
                            standard_error,
                            int(percentile[i]),
                            "true" if outcomes.is_rapid[w, s, i] else "false",
                        ]
                    )
        write_csv(out / "assessments" / f"{window}.csv", HEADER, rows)
        written += len(rows)
    return written


def window_dates(world: World, window: str) -> tuple[date, date]:
    """First and last day of a window."""
    low, high = world.dates.fall if window == "fall" else world.dates.winter
    return world.dates.days[low], world.dates.days[high]
