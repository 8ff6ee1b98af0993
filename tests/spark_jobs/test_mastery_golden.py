"""Golden folders through the real night: each case is a pupil, its files what was sent and what must come out.

``input.csv``: events in order of arrival; ``items.csv``, where there is one: limits for rapid guesses; ``item`` is
``competency[+competency]/name``. ``expect.csv``: states.
``decisions.csv``: standing decisions, evidence as event ids. All cases share one lake and one night, 2026-10-14.
"""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cairn.settings import REPOSITORY, Settings
from spark_jobs.mastery_explain import explain_pair
from tests.spark_jobs import mastery_lake as small

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

GOLDEN = REPOSITORY / "tests" / "golden" / "mastery"
NIGHT = date(2026, 10, 14)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def event(case: str, raw: dict[str, str]) -> dict[str, Any]:
    """A silver row; ids and the source are the case's own, so that cases do not meet."""
    return small.event(
        f"{case}:{raw['event_id']}",
        f"s-{case}",
        raw["item"] or None,
        instant(raw["at"]),
        {"true": True, "false": False, "": None}[raw["success"]],
        score_scaled=float(raw["scaled"]) if raw.get("scaled") else None,
        source_id=case,
        source_statement_id=raw["event_id"],
        hints=int(raw["hints"]) if raw["hints"] else None,
        duration_ms=int(raw["duration_ms"]),
        activity_type=raw["activity_type"],
        voids_statement_id=raw["voids"] or None,
    )


def found_states(settings: Settings, case: str) -> list[dict[str, str]]:
    rows = [row for row in small.states(settings) if row["student_key"] == case]
    plain = ("state", "attempts", "counted_attempts", "counted_credit", "opportunities_without_three")
    return [
        {
            "competency": row["competency_id"],
            **{name: f"{row[name]:g}" if name == "counted_credit" else str(row[name]) for name in plain},
            "expected_share": f"{row['expected_share']:.6f}",
        }
        for row in sorted(rows, key=lambda row: str(row["competency_id"]))
    ]


def found_decisions(settings: Settings, case: str) -> list[dict[str, str]]:
    names = sorted({row["competency_id"] for row in small.standing(settings) if row["student_key"] == case})
    return [
        {
            "competency": name,
            "decided_at": datetime.fromisoformat(decision["at"]).strftime(
                "%Y-%m-%dT%H:%M:00Z"
            ),  # a review is told to the minute
            "from_state": decision["from"],
            "to_state": decision["to"],
            "evidence": " ".join(event["event_id"].removeprefix(f"{case}:") for event in decision["evidence"]),
        }
        for name in names
        for decision in explain_pair(settings, case, name)["decisions"]
    ]


def test_golden_folders(spark: SparkSession, settings: Settings, subtests: pytest.Subtests) -> None:
    from spark_jobs import mastery

    cases = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
    inputs = {case: table(GOLDEN / case / "input.csv") for case in cases}
    items = {row["item"] for rows in inputs.values() for row in rows if row["item"]}
    alignments = [small.alignment(item, name) for item in sorted(items) for name in item.split("/")[0].split("+")]
    small.write(settings, "silver.identity_link", [small.link(f"s-{case}", case) for case in cases])
    small.write(settings, "silver.competency", [small.competency(name) for name in ("c0", "c1")])
    small.write(settings, "silver.item_alignment", alignments)
    small.write(settings, "gold.mastery_model", small.share_model_rows())
    limits = [
        row for case in cases if (GOLDEN / case / "items.csv").exists() for row in table(GOLDEN / case / "items.csv")
    ]
    known = {"model_version": small.share_model_rows()[0]["model_version"], "difficulty_logit": 0.0, "responses": 100}
    own = [{**known, "item_id": row["item"], "rapid_guess_ms": int(row["rapid_guess_ms"])} for row in limits]
    small.write(settings, "gold.item_difficulty", own)
    events = [event(case, row) for case, rows in inputs.items() for row in rows]
    small.write(settings, "silver.learner_activity", events)
    mastery.update(spark, settings, NIGHT)
    for case in cases:
        with subtests.test(case):
            expected = [
                {**row, "expected_share": f"{float(row['expected_share']):.6f}"}
                for row in table(GOLDEN / case / "expect.csv")
            ]
            assert found_states(settings, case) == expected
            assert found_decisions(settings, case) == table(GOLDEN / case / "decisions.csv")
