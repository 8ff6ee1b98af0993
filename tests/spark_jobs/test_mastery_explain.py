"""From a state to the events behind it: tonight's, and as an earlier night had them before one was taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lake
from cairn.errors import CairnError
from cairn.mastery import hashing
from cairn.mastery.config import load_config
from cairn.mastery.evidence import REASONS, REPEATED
from cairn.mastery.explanation import TAKEN_BACK, Explanation, explain, sentence
from cairn.mastery.ledger import decision_changes
from cairn.mastery.share.columns import shares_at
from cairn.mastery.share.doubt import mean_chance
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.model import from_rows
from cairn.mastery.states import COLUMNS, Night, Restated, restate
from cairn.settings import Settings
from cli.main import main
from loading.judgements import Judgement, say
from spark_jobs import night_record
from spark_jobs.mastery_explain import explain_pair
from spark_jobs.night_record import DECISION, EVIDENCE, STATE
from tests.cairn.mastery.rich_model import rich_items, rich_rows
from tests.spark_jobs import mastery_lake as small

FIRST, SECOND = date(2026, 10, 13), date(2026, 10, 14)
NOW = datetime(2026, 10, 15, 8, tzinfo=UTC)
KNOWN_ITEMS = ["item-1", "item-12", "other"]
BUCKET = int(hashing.buckets_of(pa.array(["p1"]), 2)[0])


def evidence(
    number: int,
    *,
    night: int,
    success: bool = True,
    item: str = "",
    competency: str = "c0",
    duration_ms: int = 20_000,
    is_removed: bool = False,
) -> Any:
    """A row of silver.evidence of p1, each number ten minutes after the one before; the first a day earlier."""
    day = FIRST if number < 4 else SECOND
    at = small.minutes(day if number else FIRST - timedelta(days=1), 10 * number)
    return {
        "student_key": "p1",
        "competency_id": competency,
        "event_id": f"e{number:02d}",
        "event_time": at,
        "work_date": at.date(),
        "activity_type": "attempt",
        "item_id": item or f"item-{number}",
        "success": success,
        "duration_ms": duration_ms,
        "subject_key": "s-p1",
        "statement_key": number,
        "is_removed": is_removed,
        "night": night,
        "pupil_bucket": BUCKET,
    }


def restated(settings: Settings, rows: list[Any], day: date) -> Restated:
    """What follows from the evidence at the end of a day."""
    config = load_config(settings)
    model = from_rows(rich_rows(["c0"]), rich_items(KNOWN_ITEMS))
    end = int(small.minutes(day + timedelta(days=1), -9 * 60).timestamp()) * 1_000_000
    table = pa.Table.from_pylist(rows, lake.file_schema(EVIDENCE))
    return restate(table.select(COLUMNS), Night(config, model, end, day))


def write_night(
    settings: Settings, number: int, day: date, rows: list[Any], states: pa.Table, ledger: pa.Table
) -> None:
    """One night's rows of the three tables, and its record."""
    lake.append(settings, EVIDENCE, rows)
    change = {"night": number, "is_base": number == 1, "is_removed": False, "pupil_bucket": BUCKET}
    lake.append(settings, STATE, [{**row, **change} for row in states.to_pylist()])
    decided = {"night": number, "recorded_at": NOW, "pupil_bucket": BUCKET}
    lake.append(settings, DECISION, [{**row, **decided} for row in ledger.to_pylist()])
    record = night_record.NightRecord(
        number,
        "night",
        day,
        small.minutes(day + timedelta(days=1), -9 * 60),
        night_record.present_versions(settings),
        "policy",
        {},
        pupil_buckets=2,
    )
    night_record.record(settings, record)


@pytest.fixture
def nights(settings: Settings) -> Settings:
    """Four right on the first day make mastery; then the third goes, and on the second day come wrong and right.

    Between them the pupil works on another competency, which is in the share too.
    """
    first = [evidence(n, night=1) for n in range(4)]
    came = [evidence(n, night=2, success=n >= 10) for n in range(4, 18)]
    # The same item an hour later is practice: no evidence.
    came.append(evidence(18, night=2, item="item-12"))
    came.append(evidence(19, night=2, success=False, item="other", competency="c1"))
    came.append(evidence(20, night=2, item="last"))
    # Above the district's limit and under the item's own.
    came.append(evidence(21, night=2, item="item-1", duration_ms=3_140))
    gone = evidence(2, night=2, is_removed=True)
    one = restated(settings, first, FIRST)
    two = restated(settings, [row for row in [*first, *came] if row["event_id"] != "e02"], SECOND)
    small.write(settings, "silver.competency", [small.competency(name) for name in ("c0", "c1")])
    small.write(settings, "gold.mastery_model", rich_rows(["c0"]))
    small.write(settings, "gold.item_difficulty", rich_items(KNOWN_ITEMS))
    whole = [*first, *came]
    small.write(
        settings,
        "silver.learner_activity",
        [
            small.event(row["event_id"], "s-p1", row["item_id"], row["event_time"], row["success"], kafka_offset=n)
            for n, row in enumerate(whole)
        ],
    )
    write_night(settings, 1, FIRST, first, one.mastery_state, one.mastery_decision)
    ledger = lake.read(settings, DECISION)
    changes = decision_changes(two.mastery_decision, ledger, SECOND, NOW)
    write_night(settings, 2, SECOND, [*came, gone], two.mastery_state, changes)
    # What a night that died left behind is not looked at.
    lake.append(settings, STATE, lake.read(settings, STATE, filters=pc.field("night") == 2).to_pylist())
    return settings


def test_each_decision_names_the_newest_counted_events_behind_it(nights: Settings) -> None:
    found = explain_pair(nights, "p1", "C0")
    decisions = found["decisions"]
    assert (found["state"], decisions[-1]["to"]) == ("mastered", "mastered")
    counted = ["e00", "e01", "e03", *(f"e{n:02d}" for n in range(4, 18)), "e20"]
    for row in decisions:
        expected = counted[: row["counted_attempts"]][-10:]
        assert [event["event_id"] for event in row["evidence"]] == expected
        assert row["evidence"][-1]["event_time"] == row["at"]
    assert decisions[-1]["counted_attempts"] > 10
    assert decisions[-1]["evidence"][0]["kafka_offset"] > 0


def test_an_earlier_night_is_explained_as_it_was(nights: Settings) -> None:
    found = explain_pair(nights, "p1", "c0", FIRST)
    assert found["state"] == "mastered"
    assert [event["event_id"] for event in found["decisions"][-1]["evidence"]] == ["e00", "e01", "e02", "e03"]
    assert [one["event_id"] for one in found["attempts"]] == ["e00", "e01", "e02", "e03"]
    assert found["why"].startswith("Mastered: 4 of 4 counted answers right, on 4 items over 2 days; about ")
    before = explain_pair(nights, "p1", "c0", FIRST - timedelta(days=1))
    assert (before["state"], before["decisions"]) == ("not_started", [])


def test_every_attempt_says_what_it_moved_or_why_it_does_not_count(nights: Settings) -> None:
    """The shares add up to the one of the state, which the night wrote."""
    found = explain_pair(nights, "p1", "c0")
    told = {one["event_id"]: one for one in found["attempts"]}
    assert told["e18"]["why_not"] == REASONS[REPEATED]
    assert told["e21"]["why_not"] == "a rapid guess: 3.1 s, this item's limit is 5.0 s"
    assert told["e02"]["why_not"] == TAKEN_BACK
    assert "e19" not in told, "of another competency"
    counted = [one for one in found["attempts"] if one["counts"]]
    [state] = [row for row in small.states(nights) if row["competency_id"] == "c0"]
    assert len(counted) == state["counted_attempts"] == 18
    assert state["pupil_counted"] == 19
    assert counted[-1]["share"] == pytest.approx(state["expected_share"], abs=1e-9)
    for before, after in pairwise(counted):
        assert before["share"] + after["forgot"] + after["moved"] == pytest.approx(after["share"], abs=1e-12)
        assert after["forgot"] < 0, "time alone lowers the share"
    assert [one["moved"] > 0 for one in counted] == [one["outcome"] == "right" for one in counted]
    # The wrong answer on the other competency is in the last step.
    assert counted[-1]["moved_by"]["other_work"] < 0


def test_the_command_shows_what_teachers_said_and_changes_nothing(
    nights: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["mastery", "explain", "p1", "c0", *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    before = json.loads(shown("--json"))
    assert before["said_by_teachers"] == []
    one = Judgement(
        student_key="p1",
        competency_id="c0",
        said="not_yet",
        said_date=SECOND,
        role="school_leader",
        source="page",
        reason="was_helped",
        note="Only for the school",
    )
    say(nights, [one, replace(one, competency_id="c1"), replace(one, said="withdrawn", said_date=date(2026, 10, 20))])
    found = json.loads(shown("--json", "--as-of", "2026-10-14"))
    words = found.pop("said_by_teachers")
    assert [(word["said"], word["said_date"], word["is_standing"]) for word in words] == [
        ("not_yet", "2026-10-14", True)
    ]
    assert found["state"] == "mastered" and found["share"] == before["share"]
    text = shown()
    assert (
        "said by a teacher on 2026-10-14, as school_leader: not_yet (was_helped); does not stand\n"
        "said by a teacher on 2026-10-20, as school_leader: withdrawn; does not stand\n"
    ) in text
    assert "Only for the school" not in text


def test_the_share_is_that_of_the_night_and_says_what_it_is_made_of(nights: Settings) -> None:
    found = explain_pair(nights, "p1", "c0")
    states = lake.read(nights, STATE, filters=(pc.field("night") == 2) & (pc.field("competency_id") == "c0")).slice(
        0, 1
    )
    model = from_rows(rich_rows(["c0"]), rich_items(KNOWN_ITEMS))
    end = small.minutes(SECOND + timedelta(days=1), -9 * 60).timestamp()
    share, low, high = shares_at(states, model, np.array([end]), 0.9, GAP_DAYS)
    assert (found["share"], found["share_low"], found["share_high"]) == pytest.approx(
        (share[0], low[0], high[0]), abs=1e-12
    )
    logit = sum(found["made_of"].values())
    assert mean_chance(logit, model.reference[1], 1.0, 0.0) == pytest.approx(found["share"], abs=1e-12)


def of_night(settings: Settings) -> Explanation:
    """An explanation of nothing yet."""
    config, model = load_config(settings), from_rows(rich_rows(["c0"]))
    nothing = lake.file_schema(EVIDENCE).empty_table()
    return explain(nothing, nothing, "c0", Night(config, model, 0, FIRST))


def test_each_state_has_its_sentence(nights: Settings) -> None:
    said = {"share": 0.9123, "share_low": 0.8, "share_high": 0.97}
    found = replace(of_night(nights), **said, counted=4, credit=3.0, items=2, days=1)
    policy = load_config(nights).in_force_now().policy
    assert sentence("not_enough_evidence", found, policy) == (
        "Not enough evidence: 3 of 4 counted answers right, on 2 items over 1 day;"
        " mastery asks for at least 4 answers on 3 items over 2 days."
    )
    assert "about 91 of 100 expected right a week from then (90 % sure: 80 to 97)" in sentence(
        "mastered", found, policy
    )
    assert sentence("review_due", found, policy).startswith("Review due: mastered, and by now under 80 of 100")
    assert sentence("developing", found, policy).startswith("Developing: 3 of 4")
    assert sentence("not_started", found, policy).startswith("Not started")


def test_what_is_not_known_is_said(nights: Settings) -> None:
    with pytest.raises(CairnError, match="no evidence of this pupil"):
        explain_pair(nights, "nobody", "c0")
    with pytest.raises(CairnError, match="0 competencies have the id or code"):
        explain_pair(nights, "p1", "c7")
