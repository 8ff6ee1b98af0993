"""A handful of pupils as lake tables beyond the roster; every mart's rows can be worked out by hand."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Any

from cairn.mastery.share.columns import PAIR_COUNTS, SHARE_COLUMNS
from cairn.settings import Settings
from loading.judgements import Judgement, say
from tests.cairn.mastery.rich_model import VERSION, rich_rows
from tests.marts.small_pilot import pilot
from tests.marts.small_roster import ALPHA, BETA, DATA_DATE, KNOWN, at, day, known, put, roster


def _change(pupil: str, competency: str) -> dict[str, Any]:
    """Columns of a base row that the first night wrote."""
    key = zlib.crc32(f"{pupil} {competency}".encode())
    return {"pair_key": key, "night": 1, "is_base": True, "is_removed": False, "pupil_bucket": key % 2}


def _sums(counted: int, correct: int) -> dict[str, Any]:
    """Counts and sums of a pair and its pupil, all different: what is right or wrong beyond half is in every residual.

    Nobody folded them; what a share on a date rests on is held against Python by these same numbers.
    """
    found: dict[str, Any] = {}
    for place, name in enumerate(SHARE_COLUMNS):
        weight = 1.0 + place / 10.0
        found[name] = weight * counted / 8.0 if "work_over" in name else weight * (correct / counted - 0.5)
    found |= {"pupil_counted": 3 * counted, "pupil_credit": 3 * correct - 1, "pupil_last_outcomes": 45}
    last_five = 63 if correct == counted else 37
    return found | dict(zip(PAIR_COUNTS.values(), (counted, correct, last_five), strict=True))


def _state(
    pupil: str, competency: str, state: str, last: str, counted: int = 6, correct: int = 3, **more: Any
) -> dict[str, Any]:
    # The share as of the last work is none that any mart shows: they ask for it as of the data date.
    return {
        "student_key": pupil,
        "competency_id": competency,
        "state": state,
        "expected_share": 0.0,
        "share_low": 0.0,
        "share_high": 0.0,
        "attempts": counted,
        **_sums(counted, correct),
        "opportunities_without_three": 0,
        "first_event_at": at("09-01 15:00"),
        "last_event_at": at(last),
        "state_since_at": at(last),
        "model_version": VERSION,
        "policy_version": "pol-1",
        "data_date": DATA_DATE,
        **_change(pupil, competency),
        **more,
    }


def _decision(number: int, pupil: str, competency: str, from_state: str, to_state: str, when: str) -> dict[str, Any]:
    return {
        "decision_id": f"d{number}",
        "is_retraction": False,
        "student_key": pupil,
        "competency_id": competency,
        "decided_at": at(when),
        "from_state": from_state,
        "to_state": to_state,
        "counted_attempts": 6,
        "model_version": VERSION,
        "policy_version": "pol-1",
        "data_date": at(when).date(),
        "recorded_at": at("10-15 07:00"),
        "night": 1,
    }


def mastery(settings: Settings) -> None:
    """p1 mastered alpha, p2 spins on it, p3 slipped, p4 develops it (South), p5 has been silent since the move."""
    put(settings, "gold.mastery_model", rich_rows((ALPHA, BETA)))
    put(
        settings,
        "gold.mastery_state",
        [
            _state("p1", ALPHA, "mastered", "10-13 15:00", correct=6),
            _state("p2", ALPHA, "developing", "10-13 15:00", 12, 3, opportunities_without_three=12),
            # p3 stood at mastered until the night that saw it slip; nothing is left of what p4 had on beta.
            _state("p3", ALPHA, "mastered", "09-10 15:00", correct=6),
            _state("p3", ALPHA, "developing", "10-12 15:00", 9, 6, night=2, is_base=False),
            _state("p4", BETA, "mastered", "09-20 15:00"),
            _state("p4", BETA, "mastered", "09-20 15:00", night=2, is_base=False, is_removed=True),
            _state("p4", ALPHA, "developing", "10-13 15:00"),
            _state("p5", BETA, "not_enough_evidence", "09-20 15:00", 2, 1),
        ],
    )
    retracted = _decision(9, "p4", ALPHA, "developing", "mastered", "10-13 15:00")
    put(
        settings,
        "gold.mastery_decision",
        [
            _decision(1, "p1", ALPHA, "not_started", "developing", "10-01 15:00"),
            _decision(2, "p1", ALPHA, "developing", "mastered", "10-13 15:00"),
            _decision(3, "p3", ALPHA, "developing", "mastered", "09-10 15:00"),
            _decision(4, "p3", ALPHA, "mastered", "developing", "10-12 15:00"),
            retracted,
            {**retracted, "is_retraction": True, "night": 2, "recorded_at": at("10-15 07:30")},
        ],
    )
    work = [
        ("p1", ALPHA, "10-13", "s-north", 4, 4),
        ("p2", ALPHA, "10-13", "s-north", 6, 2),
        ("p3", ALPHA, "10-12", "s-north", 9, 9),
        ("p4", ALPHA, "10-13", "s-south", 3, 2),
        # Before the move: p5 was at North then, whatever the source claims.
        ("p5", BETA, "09-20", "s-south", 2, 1),
    ]
    days = [
        {
            "student_key": pupil,
            "competency_id": competency,
            "work_date": day(when),
            "org_id": org,
            "class_id": None,
            "attempts": attempts,
            "counted_attempts": attempts,
            "correct": correct,
            "counted_correct": correct,
            "hints": 0,
            "duration_ms": 1000,
            "first_event_at": at(f"{when} 15:00"),
            "last_event_at": at(f"{when} 15:00"),
            "data_date": DATA_DATE,
            **_change(pupil, competency),
        }
        for pupil, competency, when, org, attempts, correct in work
    ]
    # Of p3's nine attempts seven turned out to be another pupil's.
    later = {"attempts": 2, "counted_attempts": 2, "correct": 1, "counted_correct": 1, "night": 2, "is_base": False}
    days += [{**row, **later} for row in days if row["student_key"] == "p3"]
    put(settings, "gold.attempt_day", days)


def _event(number: int, subject: str, source: str, org: str, when: str) -> dict[str, Any]:
    return {
        "event_id": f"ev{number}",
        "content_hash": f"h{number}",
        "schema_version": "1.0.0",
        "source_id": source,
        "source_statement_id": f"st{number}",
        "received_at": at(f"{when} 16:00"),
        "received_date": day(when),
        "event_time": at(f"{when} 15:00"),
        "work_date": day(when),
        "subject_key": subject,
        "org_id": org,
        "activity_type": "attempt",
        "item_id": "item-1",
        "success": True,
        "attempt_number": 1,
        "ingest_date": day(when),
        "kafka_partition": 0,
        "kafka_offset": number,
        "intake_app_id": "app",
        "batch_id": 0,
    }


def way_in(settings: Settings) -> None:
    """Two sources; `mathapp` sends for both schools, `quiet` sent for South on three days and fell silent."""
    events = [
        ("s1_known", "mathapp", "s-north", "10-13"),
        ("s1_known", "mathapp", "s-north", "10-14"),
        ("s1_nobody", "mathapp", "s-north", "10-14"),
        ("s1_known", "mathapp", "s-south", "10-14"),
        *(("s1_known", "quiet", "s-south", when) for when in ("09-21", "09-22", "09-23")),
    ]
    put(settings, "silver.learner_activity", [_event(number, *event) for number, event in enumerate(events)])
    put(
        settings,
        "silver.activity_key",
        [
            {"event_hash": number, "event_id": f"ev{number}", "content_hash": f"h{number}"}
            for number in range(len(events))
        ],
    )
    put(settings, "silver.item_alignment", [known(item_id="item-1", competency_id=ALPHA)])
    put(
        settings,
        "silver.identity_link",
        [known(subject_key="s1_known", student_key="p1", valid_from=KNOWN, reason="roster")],
    )
    put(settings, "ops.intake_batch", [{"intake_app_id": "app", "batch_id": 0, "end_offsets": "{}"}])
    counts = Counter((when, source, org) for _, source, org, when in events)
    # A repeat and a refusal at North on the data date: received four, of which two became evidence.
    repeated, refused = ("10-14", "mathapp", "s-north"), ("10-14", "mathapp", "s-north")
    fates = [(key, "accepted", number) for key, number in counts.items()]
    fates += [(repeated, "duplicate", 1), (refused, "rejected", 1)]
    received = counts + Counter([repeated, refused])
    common = {"intake_app_id": "app", "batch_id": 0}
    put(
        settings,
        "bronze.receipts",
        [
            {
                **common,
                "receipt_id": f"r-{when}-{source}-{org}",
                "org_id": org,
                "source_id": source,
                "received_at": at(f"{when} 16:00"),
                "received_date": day(when),
                "statements_received": number,
            }
            for (when, source, org), number in received.items()
        ],
    )
    put(
        settings,
        "bronze.rejected",
        [
            {
                **common,
                "rejected_id": "x",
                "org_id": refused[2],
                "source_id": refused[1],
                "received_date": day(refused[0]),
            }
        ],
    )
    put(
        settings,
        "ops.intake_ledger",
        [
            {**common, "received_date": day(when), "source_id": source, "org_id": org, "fate": fate, "records": number}
            for (when, source, org), fate, number in fates
        ],
    )


def teachers(settings: Settings) -> None:
    """A word on p4 that stands, one on p3 that ended, one on p1 that was withdrawn, one on p5 without any work.

    What was said of p2 was said after the data date.
    """
    words = [
        ("p4", "mastered", "10-12", None),
        ("p3", "mastered", "10-01", "10-13"),
        ("p1", "not_yet", "10-13", None),
        ("p1", "withdrawn", "10-14", None),
        ("p5", "mastered", "09-01", None),
        ("p2", "mastered", "10-15", None),
    ]
    for number, (pupil, said, when, until) in enumerate(words):
        one = Judgement(
            student_key=pupil,
            competency_id=ALPHA,
            said=said,
            said_date=day(when),
            role="school_leader",
            source="page",
            reason="seen_in_class",
            note="No mart may hold this.",
            until_date=day(until) if until else None,
        )
        assert say(settings, [one], at(f"10-14 {number:02d}:00")), one


def groups(settings: Settings) -> None:
    """The group of the night before: p1 has mastered alpha since, p5 moved to South, p3 still needs it.

    An older night had another one, and what a night of the data date wrote is no yesterday.
    """
    nights = [("10-12", "g-old", ("p4",)), ("10-13", "g-alpha", ("p1", "p3", "p5")), ("10-14", "g-now", ("p4",))]
    put(
        settings,
        "gold.group_member",
        [
            {
                "data_date": day(when),
                "group_id": group_id,
                "student_key": pupil,
                "school_id": "s-north",
                "competency_id": ALPHA,
                "group_since_date": day("10-06"),
                "joined_date": day("10-07"),
            }
            for when, group_id, pupils in nights
            for pupil in pupils
        ],
    )


def write_small_lake(settings: Settings) -> None:
    """Roster and everything above."""
    for part in (roster, mastery, teachers, way_in, pilot, groups):
        part(settings)
