"""A reference district's work: attempts of 60,000 pupils on what their grade is taught, with receipts and batches.

Written straight into ``silver.learner_activity``, ``bronze.receipts`` and ``ops.intake_batch``, as intake leaves them:
a batch a day, and receipts that say as many statements as there are rows. A pupil works on what the class is at, now
and then on what came a few weeks or a grade before; whether an answer is right follows a two-parameter curve.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import lake
from benchmarks import pilots_twenty_district as twenty
from benchmarks.intake_rows import write_batch
from benchmarks.mastery_year import coded
from benchmarks.reference_people import competency_ids, of_grade
from cairn.settings import Settings

ITEMS_A_COMPETENCY = 10
APPS = ("practice", "reader")
INTAKE = "reference"
SCHOOL_YEAR_DAYS = 180
# Shares of attempts: on what is taught now or was lately, on older things of the year, on the grade before.
LATELY, EARLIER = 0.75, 0.15
IntArray = npt.NDArray[np.int64]


def school_days(last: date) -> list[date]:
    """Weekdays from the start of the term to ``last``."""
    days = [twenty.TERM + timedelta(days=one) for one in range((last - twenty.TERM).days + 1)]
    return [one for one in days if one.weekday() < 5]


class Work:
    """Attempts of the district, day by day; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._school, self._grade = twenty.places()
        self._ability = self._rng.normal(0, 1, twenty.PUPILS)
        names = competency_ids()
        self._first = {
            (subject, grade): names.index(of_grade(subject, grade)[0])
            for subject in range(len(twenty.SUBJECTS))
            for grade in twenty.GRADES
        }
        self._items = [f"https://items.example/{name}/{one}" for name in names for one in range(ITEMS_A_COMPETENCY)]
        self._written = 0

    def seed(self, settings: Settings) -> None:
        """Which item belongs to which competency."""
        names = competency_ids()
        rows = [
            {"item_id": item, "competency_id": names[n // ITEMS_A_COMPETENCY], "recorded_from": twenty.RECORDED}
            for n, item in enumerate(self._items)
        ]
        lake.append(settings, "silver.item_alignment", rows)

    def write_day(self, settings: Settings, day: date, number: int, size: int) -> None:
        """A school day's attempts; ``number`` counts school days from 0."""
        drawn = self._draw(number, size)
        at = int(datetime(day.year, day.month, day.day, 14, tzinfo=UTC).timestamp()) * 1_000_000
        moments = pa.array(np.sort(at + self._rng.integers(0, 20_000_000_000, size)))
        identifiers = pa.array(np.char.mod("%032x", np.arange(self._written, self._written + size)))
        subject = drawn["subject"]
        table = pa.table(
            {
                "event_id": identifiers,
                "content_hash": coded(np.zeros(size, np.int64), ["h"]),
                "schema_version": coded(np.zeros(size, np.int64), ["1.0.0"]),
                "source_id": coded(subject, list(APPS)),
                "source_statement_id": identifiers,
                "received_at": moments.cast(pa.timestamp("us", "UTC")),
                "received_date": pa.array([day] * size, pa.date32()),
                "event_time": moments.cast(pa.timestamp("us", "UTC")),
                "work_date": pa.array([day] * size, pa.date32()),
                "subject_key": coded(drawn["pupil"], twenty.subjects(np.arange(twenty.PUPILS)).to_pylist()),
                "org_id": coded(self._school[drawn["pupil"]], [f"sch-{one:03d}" for one in range(twenty.SCHOOLS)]),
                "class_id": coded(
                    drawn["pupil"] // twenty.CLASS_SIZE + subject * (twenty.PUPILS // twenty.CLASS_SIZE),
                    [
                        f"cls-{name}-{one:06d}"
                        for name in twenty.SUBJECTS
                        for one in range(twenty.PUPILS // twenty.CLASS_SIZE)
                    ],
                ),
                "activity_type": coded(np.zeros(size, np.int64), ["attempt"]),
                "item_id": coded(drawn["item"], self._items),
                "success": pa.array(drawn["is_right"]),
                "duration_ms": pa.array(self._rng.integers(4_000, 60_000, size)),
                "ingest_date": pa.array([day] * size, pa.date32()),
                "kafka_partition": pa.array(np.zeros(size, np.int32)),
                "kafka_offset": pa.array(np.arange(self._written, self._written + size)),
                "intake_app_id": coded(np.zeros(size, np.int64), [INTAKE]),
                "batch_id": pa.array(np.full(size, number, np.int64)),
            }
        )
        name = "silver.learner_activity"
        lake.commit_files(settings, name, [lake.write_file(settings, name, table, {"ingest_date": day})])
        self._written += size
        self._receipts(settings, day, number, drawn)

    def _draw(self, number: int, size: int) -> dict[str, Any]:
        """Pupil, item and outcome of each attempt of a day."""
        rng = self._rng
        pupil = rng.integers(0, twenty.PUPILS, size)
        subject = rng.integers(0, len(twenty.SUBJECTS), size)
        grade, chance = self._grade[pupil], rng.random(size)
        count = np.array([len(of_grade(0, one)) for one in range(twenty.GRADES[0], twenty.GRADES[-1] + 1)])
        taught = number * count[grade - twenty.GRADES[0]] // SCHOOL_YEAR_DAYS
        place = np.maximum(0, taught - rng.geometric(0.6, size) + 1)
        place = np.where(chance > LATELY, rng.integers(0, taught + 1), place)
        is_grade_before = (chance > LATELY + EARLIER) & (grade > twenty.GRADES[0])
        worked = grade - is_grade_before
        place = np.where(is_grade_before, count[worked - twenty.GRADES[0]] - 1 - rng.integers(0, 8, size), place)
        firsts = np.array([[self._first[one, two] for two in twenty.GRADES] for one in range(len(twenty.SUBJECTS))])
        competency = firsts[subject, worked - twenty.GRADES[0]] + place
        item = competency * ITEMS_A_COMPETENCY + rng.integers(0, ITEMS_A_COMPETENCY, size)
        # What has been taught for longer is answered better, an eighth of a logit a day up to two.
        since = np.minimum(2.0, (number - place * SCHOOL_YEAR_DAYS / count[worked - twenty.GRADES[0]]) / 8)
        logit = self._ability[pupil] + np.where(is_grade_before, 1.0, since - 0.5) - (item % 7 - 3) / 4
        return {
            "pupil": pupil,
            "subject": subject,
            "item": item,
            "is_right": rng.random(size) < 1 / (1 + np.exp(-logit)),
        }

    def _receipts(self, settings: Settings, day: date, number: int, drawn: dict[str, Any]) -> None:
        """A receipt a school and source, as many statements as there are attempts."""
        counts = np.zeros((twenty.SCHOOLS, len(APPS)), np.int64)
        np.add.at(counts, (self._school[drawn["pupil"]], drawn["subject"]), 1)
        received = {
            (f"sch-{school:03d}", app): int(counts[school, place])
            for school in range(twenty.SCHOOLS)
            for place, app in enumerate(APPS)
        }
        write_batch(settings, INTAKE, number, day, received)
