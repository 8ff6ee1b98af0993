"""What followed an action, from the lake's evidence: the evening it was done on, the answers since, who is told of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import jinja2
import numpy as np
import pyarrow as pa
import pytest

import lake
from cairn.mastery import hashing
from cairn.mastery.config import load_config
from cairn.mastery.share.model import from_rows
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import REPOSITORY, Settings
from loading.actions import FOLLOWED_DAYS, Action, log_action
from releases.action_follow_up import TABLE, write
from spark_jobs import night_record
from spark_jobs.night_record import DAY, EVIDENCE
from tests.spark_jobs import mastery_lake as small

DONE, TODAY = date(2026, 10, 7), date(2026, 10, 14)
AS_OF = datetime(2026, 10, 15, 8, tzinfo=UTC)
BEFORE = "110100"  # on the two days up to the action: six counted answers, three right
KIND = {"kind": "small_group", "school_id": "s1", "account_id": "a1", "role": "school_leader"}


def answers(student: str, later: str, before: str = BEFORE) -> list[dict[str, Any]]:
    """Evidence of one pupil: answers of the day before the action and of its day, then of later days."""
    rows = []
    for place, outcome in enumerate(before + later):
        is_later = place >= len(before)
        day = DONE + timedelta(days=1 + (place - len(before)) // 2) if is_later else DONE - timedelta(days=place % 2)
        at = small.minutes(day, 10 * place)
        rows.append(
            {
                "student_key": student,
                "competency_id": "c0",
                "event_id": f"{student}-{place:02d}",
                "event_time": at,
                "work_date": day,
                "activity_type": "attempt",
                "item_id": f"item-{place}",
                "success": outcome == "1",
                "duration_ms": 20_000,
                "subject_key": f"s-{student}",
                "statement_key": place,
                "is_removed": False,
                "night": 1,
                "pupil_bucket": int(hashing.buckets_of(pa.array([student]), 2)[0]),
            }
        )
    return rows


def write_lake(settings: Settings, rows: list[dict[str, Any]]) -> None:
    """Evidence, the day totals that follow from it, a model and a night that names their versions."""
    (settings.district_dir).mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "privacy.yaml").write_text("n_min: 3\n")
    model = small.share_model_rows()
    small.write(settings, "gold.mastery_model", model)
    lake.append(settings, EVIDENCE, rows)
    end = int(AS_OF.timestamp()) * 1_000_000
    table = pa.Table.from_pylist(rows, lake.file_schema(EVIDENCE))
    days = restate(table.select(COLUMNS), Night(load_config(settings), from_rows(model, []), end, TODAY)).attempt_day
    change = {"night": 1, "is_base": True, "is_removed": False}
    keyed = [{**row, **change, "pupil_bucket": 0} for row in days.to_pylist()]
    lake.append(settings, DAY, keyed)
    versions = night_record.present_versions(settings)
    night = night_record.NightRecord(1, "night", TODAY, AS_OF, versions, "policy", {}, pupil_buckets=2)
    night_record.record(settings, night)


def test_by_hand(settings: Settings) -> None:
    rows = answers("helped", "111011")
    rows += answers("a", "10") + answers("b", "11000") + answers("c", "0111100")
    rows += answers("weaker", "11111", before="000000")
    rows += answers("shorter", "11111", before="11010")
    rows += answers("also_helped", "11111") + answers("rests", "1")
    write_lake(settings, rows)
    done = Action("helped", "c0", action_date=DONE, **KIND)
    for one in (done, replace(done, student_key="also_helped", action_date=TODAY), replace(done, student_key="nobody")):
        assert log_action(settings, one, AS_OF - timedelta(hours=1))
    # Known after the release, and done long before it.
    log_action(settings, replace(done, kind="reteach"), AS_OF + timedelta(hours=1))
    log_action(settings, replace(done, kind="family", action_date=TODAY - timedelta(days=FOLLOWED_DAYS)), AS_OF)
    assert write(settings, TODAY, AS_OF) == 3
    assert write(settings, TODAY, AS_OF) == 3, "again is the same"
    found = {row["student_key"]: row for row in lake.read(settings, TABLE).to_pylist()}
    one = found["helped"]
    # The first five of the pupil's six: 4 right. Of the others 1 of 2, 2 of 5 and 4 of 5.
    assert (one["answers"], one["answers_right"], one["comparables"]) == (5, 4, 3)
    assert one["comparable_share"] == pytest.approx((0.5 + 0.4 + 0.8) / 3)
    assert one["comparable_error"] == pytest.approx(0.120185, abs=1e-6)
    assert one["farthest_share"] == pytest.approx(0.0)
    assert (one["action"], one["action_date"], one["data_date"]) == ("small_group", DONE, TODAY)
    for who in ("also_helped", "nobody"):
        assert (found[who]["answers"], found[who]["comparables"]) == (0, None)


def test_under_the_smallest_group_nothing_is_told_of_others(settings: Settings) -> None:
    write_lake(settings, answers("helped", "1110") + answers("a", "10") + answers("b", "11000"))
    log_action(settings, Action("helped", "c0", action_date=DONE, **KIND), AS_OF)
    write(settings, TODAY, AS_OF)
    (row,) = lake.read(settings, TABLE).to_pylist()
    assert (row["answers"], row["answers_right"]) == (4, 3)
    assert [row[name] for name in row if name.startswith("comparable")] == [None] * 5


def test_before_the_first_night_there_is_nothing_to_tell(settings: Settings) -> None:
    assert write(settings, TODAY, AS_OF) == 0
    assert lake.count_rows(settings, TABLE) == 0


ACTION_ROWS = pa.schema(
    [
        ("action", pa.string()),
        ("student_key", pa.string()),
        ("next_answers", pa.int32()),
        ("next_right", pa.int32()),
        ("comparable_share", pa.float64()),
        ("comparable_error", pa.float64()),
    ]
)


def kinds(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The mart's own statement over rows of single actions, with the smallest group of ten: a row a kind of action."""
    project = REPOSITORY / "dbt_project"
    parts = ("macros/both_engines.sql", "macros/action_comparison.sql", "models/marts/learning/mart_action_kind.sql")
    text = "".join((project / path).read_text(encoding="utf-8") for path in parts)
    statement = jinja2.Template(text).render(ref=lambda name: name, smallest_group=lambda: 10)
    followed = pa.Table.from_pylist([dict(zip(ACTION_ROWS.names, row, strict=True)) for row in rows], ACTION_ROWS)
    with duckdb.connect() as connection:
        connection.register("mart_action_followup", followed)
        return connection.sql(statement).to_arrow_table().to_pylist()


@pytest.mark.parametrize("effect", [0.0, 0.15])
def test_the_interval_of_a_kind_holds_the_effect_that_help_had(effect: float) -> None:
    """Nine times in ten or more, on simulated pupils: those who were helped share their comparable pupils."""
    rows = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        # Two groups of pupils who are alike, twelve helped and twenty not in each.
        for group, level in enumerate((0.4, 0.55)):
            own = np.clip(level + random.normal(0, 0.1, 32), 0.05, 0.8)
            shares = random.binomial(5, own[12:]) / 5
            error = shares.std(ddof=1) / np.sqrt(shares.size)
            right = random.binomial(5, own[:12] + effect)
            rows += [(f"x{seed}", f"{group}-{one}", 5, n, shares.mean(), error) for one, n in enumerate(right)]
    found = kinds(rows)
    assert [one["pupils_compared"] for one in found] == [24] * 200
    held = [one["difference_low"] <= effect <= one["difference_high"] for one in found]
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_kind_of_few_pupils_tells_nothing() -> None:
    rows = [("x", f"p{number}", 5, 3, 0.5, 0.1) for number in range(9)] * 3
    [found] = kinds(rows)
    assert set(found.values()) == {"x", None}
