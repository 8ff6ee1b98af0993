"""Interim assessments: what pupils have mastered of what was taught, ability, growth, their school, the pilots' true
effect, measurement error.

An assessment asks about what was taught: ``overall`` about all of a subject, a strand about its own domain. So a score
rises with the true shares of those competencies, each as it was at the end of the day of the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.competency_truth import true_shares
from simulator.framework import DOMAINS, SUBJECTS
from simulator.pilot_design import PilotTruth
from simulator.pupil_work import Work, present_order
from simulator.roster_files import write_csv
from simulator.world import World

# One name for all subjects, as vendors have it: the column Subject tells them apart.
ASSESSMENT = "District Interim"
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
# Points: of the scale, of a standard deviation of ability, of a true share of 1 instead of 0 on everything taught.
SCALE_MEAN, GRADE_STEP, ABILITY_POINTS, SHARE_POINTS = 200.0, 2.0, 7.5, 32.0
TYPICAL_SHARE = 0.55  # the true share that leaves a score where ability alone puts it
LEAST_COMPETENCIES = 5  # that an assessment or strand asks about: those not yet taught hang on ability alone
# Points from fall to winter that practice does not account for: of all, of a pupil, of a school. A school's own growth,
# near .15 of the scores' SD, is what a pilot has to be told from. With what schools start from
# (``world.SCHOOL_ABILITY_SD``) they differ by .15 to .20 SD in fall and by .20 to .25 SD in winter.
GROWTH, GROWTH_SD, SCHOOL_GROWTH_SD = 4.0, 2.0, 1.8
ERROR_SD, STRAND_ERROR_SD = 4.0, 5.5  # points of measurement error: also the standard errors that are reported
RELIABILITY = 0.87  # of the overall score within a grade, as its maker would publish it (test_truth holds it)
TESTED_SHARE, RAPID_SHARE, RAPID_LOSS_SD = 0.96, 0.015, 12.0
DOMAIN_SIZE, SUBJECT_SIZE = 5, 20  # competencies

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """An assessment window: as its file and the column Window call it, and its first and last day (indices).

    Those between fall and winter are for pilots in waves: only pupils of their schools are tested, in their subject.
    """

    name: str
    first: int
    last: int

    @property
    def plan_name(self) -> str:
        """What a plan calls it: of those between there is no name that plans know."""
        return self.name if self.name in ("fall", "winter") else "other"


def windows_of(world: World, pilots: Sequence[PilotTruth]) -> list[Window]:
    """Fall and winter, and those between where a pilot is in waves."""
    dates = world.dates
    between = dates.between if any(len(pilot.wave_days) > 1 for pilot in pilots) else ()
    middle = [Window(f"between {number}", *days) for number, days in enumerate(between, start=1)]
    return [Window("fall", *dates.fall), *middle, Window("winter", *dates.winter)]


@dataclass(frozen=True)
class Outcomes:
    """What was scored in ``windows``: ``score`` [window, subject, pupil], ``strand`` [window, subject, domain, pupil],
    NaN where not tested; ``taken`` [window, subject, pupil] is the day (index).

    ``effect_points`` are the points that each pilot's effect is worth on average to those treated, ``learning_points``
    those of them that come by way of what they learned in their apps.
    """

    windows: list[Window]
    score: Floats
    strand: Floats
    taken: NDArray[np.int64]
    is_rapid: NDArray[np.bool_]
    effect_points: dict[str, float]
    learning_points: dict[str, float]


def simulate_outcomes(world: World, work: Work, pilots: list[PilotTruth], seed: int) -> Outcomes:
    """Score both windows. A pilot's effect is its size times the SD of what its pupils would have scored without it:
    part of it is what they learned faster, the rest goes with the dose."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
    students, n = world.students, len(world.students)
    base = SCALE_MEAN + GRADE_STEP * (students.grade - 3)[None, :] + ABILITY_POINTS * students.ability_by.T
    growth = GROWTH + rng.normal(0, GROWTH_SD, (2, n))
    growth += rng.normal(0, SCHOOL_GROWTH_SD, (2, len(world.school_ids)))[:, students.school]
    windows = windows_of(world, pilots)
    begin, end = windows[0].first, max(windows[-1].first, windows[0].first + 1)
    general = np.stack([base + growth * (one.first - begin) / (end - begin) for one in windows])
    taken = np.stack([rng.integers(one.first, one.last + 1, (2, n)) for one in windows])
    is_rapid = rng.random(general.shape) < RAPID_SHARE
    one_by_one = _in_schools_of(world, [pilot for pilot in pilots if pilot.kind.is_tested_one_by_one])
    is_rapid &= ~one_by_one
    loss = np.where(is_rapid, np.abs(rng.normal(0, RAPID_LOSS_SD, general.shape)), 0.0)
    error = rng.normal(0, ERROR_SD, general.shape)
    strand_error = rng.normal(0, STRAND_ERROR_SD, (len(windows), 2, SUBJECT_SIZE // DOMAIN_SIZE, n))
    tested = ((rng.random(general.shape) < TESTED_SHARE) | one_by_one) & (students.join_day[None, None, :] <= taken)
    tested[1:-1] &= _in_schools_of(world, [pilot for pilot in pilots if len(pilot.wave_days) > 1])

    overall, strands = _share_points(world, work, taken, without_pilots=False)
    without = _share_points(world, work, taken, without_pilots=True)[0]
    effect_points: dict[str, float] = {}
    learning_points: dict[str, float] = {}
    for pilot in pilots:
        inside = np.isin(students.school, pilot.pool)
        unchanged = (general + without + error - loss)[-1, pilot.subject, inside]
        points = effect_points[pilot.pilot_id] = pilot.effect_sd * float(np.std(unchanged))
        for w, window in list(enumerate(windows))[1:]:
            # In the end all have, however short the run.
            has_begun = pilot.is_treated if window is windows[-1] else pilot.start_day <= window.first
            if has_begun.any():
                learned = float((overall - without)[w, pilot.subject, has_begun].mean())
                learning_points[pilot.pilot_id] = learned  # in the end, that of the last window
                share = np.where(has_begun, pilot.dose, 0.0) / pilot.dose[has_begun].mean()
                general[w, pilot.subject] += (points - learned) * share
    scored = np.where(tested, np.round(general + overall + error - loss, 1), np.nan)
    by_strand = np.round((general - loss)[:, :, None, :] + strands + strand_error, 1)
    return Outcomes(
        windows=windows,
        score=scored,
        strand=np.where(tested[:, :, None, :], by_strand, np.nan),
        taken=taken,
        is_rapid=is_rapid,
        effect_points=effect_points,
        learning_points=learning_points,
    )


def _in_schools_of(world: World, pilots: Sequence[PilotTruth]) -> NDArray[np.bool_]:
    """Whether a pupil is in a school of one of these pilots, in its subject [subject, pupil]."""
    found = np.zeros((2, len(world.students)), dtype=bool)
    for pilot in pilots:
        found[pilot.subject] |= np.isin(world.students.school, pilot.pool)
    return found


def _share_points(world: World, work: Work, taken: NDArray[np.int64], *, without_pilots: bool) -> tuple[Floats, Floats]:
    """Points that the true shares of what was taught add: to overall [window, subject, pupil] and to the strands
    [window, subject, domain, pupil]."""
    students, n = world.students, len(world.students)
    if_not, if_known = true_shares(world.competency_truth, world.items, students.ability_by)
    overall, strands = np.empty(taken.shape), np.empty((len(taken), 2, SUBJECT_SIZE // DOMAIN_SIZE, n))
    for window, subject in np.ndindex(len(taken), 2):
        day = taken[window, subject]
        known = work.states.at_end_of(day, len(world.leaves), without_pilots=without_pilots)
        own = slice(subject * SUBJECT_SIZE, (subject + 1) * SUBJECT_SIZE)
        share = np.where(known[:, own], if_known[:, own], if_not[:, own])
        taught = np.arange(SUBJECT_SIZE) <= present_order(world, np.arange(n), subject, day)[:, None]
        overall[window, subject] = _points(share, taught)
        for domain in range(SUBJECT_SIZE // DOMAIN_SIZE):
            inside = slice(domain * DOMAIN_SIZE, (domain + 1) * DOMAIN_SIZE)
            strands[window, subject, domain] = _points(share[:, inside], taught[:, inside])
    return overall, strands


def _points(share: Floats, taught: NDArray[np.bool_]) -> Floats:
    """Points [pupil] from shares [pupil, competency], by how far those taught lie from the typical share."""
    above = np.where(taught, share - TYPICAL_SHARE, 0.0).sum(axis=1)
    return np.asarray(SHARE_POINTS * above / np.maximum(taught.sum(axis=1), LEAST_COMPETENCIES))


def write_outcomes(world: World, outcomes: Outcomes, out: Path) -> int:
    """``assessments/fall.csv``, ``winter.csv`` and those between: overall and a strand a domain; returns the number of
    rows."""
    from scipy.special import ndtr

    written = 0
    days = [day.isoformat() for day in world.dates.days]
    for w, window in enumerate(outcomes.windows):
        rows: list[list[Any]] = []
        for s, subject in enumerate(SUBJECTS):
            titles = [title for title, _ in DOMAINS[subject].values()]
            measures = {"overall": (outcomes.score[w, s], ERROR_SD)}
            measures |= {title: (outcomes.strand[w, s, d], STRAND_ERROR_SD) for d, title in enumerate(titles)}
            for measure, (values, standard_error) in measures.items():
                if np.isnan(values).all():
                    continue
                # Of the pupils of this district: there is no other to compare with.
                centre, spread = np.nanmean(values), max(float(np.nanstd(values)), 1e-9)
                percentile = np.clip(np.round(100 * ndtr((values - centre) / spread)), 1, 99)
                for i in np.flatnonzero(~np.isnan(values)).tolist():
                    rows.append(
                        [
                            world.students.id[i],
                            ASSESSMENT,
                            subject,
                            window.name,
                            days[outcomes.taken[w, s, i]],
                            measure,
                            f"{values[i]:.1f}",
                            standard_error,
                            int(percentile[i]),
                            "true" if outcomes.is_rapid[w, s, i] else "false",
                        ]
                    )
        write_csv(out / "assessments" / f"{window.name.replace(' ', '_')}.csv", HEADER, rows)
        written += len(rows)
    return written
