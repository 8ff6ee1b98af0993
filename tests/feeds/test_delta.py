"""What changed since the last feed: complete, with a reason each; applied to the old standing it gives the new one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answers import feed_folders
from cairn.settings import Settings
from feeds.delta import KEPT, REASONS, SAID, changed_rows, kept_standing
from feeds.write import write
from tests.feeds.conftest import rows_of

AT = datetime(2026, 10, 14, 15, tzinfo=UTC)


def stands(pupil: str, topic: str, **more: Any) -> dict[str, Any]:
    """One row of a standing; what is not given is the same in all."""
    usual: dict[str, Any] = {"class_id": "c1", "class_title": "A", "competency_code": topic, "competency_title": topic}
    usual |= {"state": "developing", "override_state": None, "expected_share": 0.5, "counted_attempts": 8}
    usual |= {"last_event_at": AT, "model_version": "m1", "policy_version": "p1"}
    return {"student_key": pupil, "competency_id": topic, **usual, **more}


def standing(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a standing that is kept."""
    return pa.Table.from_pylist(rows, KEPT)


def changes_of(before: list[dict[str, Any]] | None, now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = changed_rows(None if before is None else standing(before), standing(now)).to_pylist()
    return found


def reasons(before: list[dict[str, Any]] | None, now: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["student_key"], row["change"], row["reason_code"]) for row in changes_of(before, now)]


def test_the_first_feed_is_whole_and_says_so() -> None:
    assert reasons(None, [stands("p1", "t1"), stands("p2", "t1")]) == [
        ("p1", "added", "first_feed"),
        ("p2", "added", "first_feed"),
    ]
    assert reasons([], [stands("p1", "t1")]) == [("p1", "added", "pupil_came")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"class_id": "c2"}, "class_changed"),
        ({"override_state": "mastered", "expected_share": 0.7}, "teacher_word"),
        ({"counted_attempts": 9, "last_event_at": AT + timedelta(hours=1), "state": "mastered"}, "new_work"),
        ({"counted_attempts": 7, "expected_share": 0.6}, "new_work"),
        ({"policy_version": "p2", "state": "mastered"}, "rule_changed"),
        ({"state": "review_due"}, "time_passed"),
        ({"expected_share": 0.44}, "time_passed"),
    ],
)
def test_a_change_has_the_plainest_reason_that_fits(change: dict[str, Any], reason: str) -> None:
    assert reasons([stands("p1", "t1")], [stands("p1", "t1", **change)]) == [("p1", "changed", reason)]


def test_what_says_the_same_is_no_change_and_what_is_gone_is_told() -> None:
    before = [stands("p1", "t1"), stands("p1", "t2"), stands("p2", "t1")]
    assert reasons(before, [stands("p1", "t1", expected_share=0.501, model_version="m2"), *before[1:]]) == []
    assert reasons(before, [stands("p1", "t1"), stands("p1", "t3")]) == [
        ("p1", "added", "first_evidence"),
        ("p1", "removed", "evidence_withdrawn"),
        ("p2", "removed", "pupil_left"),
    ]


ROW = st.builds(
    lambda pupil, topic, state, attempts, room, share: stands(
        pupil, topic, state=state, counted_attempts=attempts, class_id=room, expected_share=share
    ),
    st.sampled_from("abc"),
    st.sampled_from("xyz"),
    st.sampled_from(["developing", "mastered", "review_due"]),
    st.integers(3, 5),
    st.sampled_from(["c1", "c2"]),
    st.none() | st.sampled_from([0.4, 0.41, 0.9]),
)
STANDING = st.lists(ROW, max_size=6, unique_by=lambda row: (row["student_key"], row["competency_id"]))


@settings(max_examples=60, deadline=None)
@given(STANDING, STANDING)
def test_the_changes_applied_to_the_old_standing_give_the_new_one(
    before: list[dict[str, Any]], now: list[dict[str, Any]]
) -> None:
    def told(rows: list[dict[str, Any]], prefix: str = "") -> dict[tuple[str, str], tuple[Any, ...]]:
        percents = [row[f"{prefix}expected_share"] for row in rows]
        return {
            (row["student_key"], row["competency_id"]): (
                *(row[f"{prefix}{name}"] for name in SAID),
                None if share is None else round(100 * share),
            )
            for row, share in zip(rows, percents, strict=True)
        }

    changes = changes_of(before, now)
    applied = told(before)
    for pair in told([row for row in changes if row["change"] == "removed"], "old_"):
        del applied[pair]
    applied |= told([row for row in changes if row["change"] != "removed"], "new_")
    assert applied == told(now)
    assert {row["reason_code"] for row in changes} <= set(REASONS)
    mart = standing(now).append_column("is_stuck", pa.nulls(len(now), pa.bool_()))
    assert kept_standing(mart).schema == KEPT and kept_standing(mart).to_pylist() == now


def test_a_feed_tells_what_changed_since_the_one_that_was_sent(published: Settings) -> None:
    folder = feed_folders.folder(published, "2026-10-14", "school-a")
    write(published, school="school-a")
    whole = rows_of(folder / "since_last_feed.csv")
    assert {row["reason_code"] for row in whole} == {"first_feed"} and len(whole) == len(
        rows_of(folder / "standing.csv")
    )
    write(published, school="school-a")  # nobody has fetched it: the next one is whole again
    assert len(rows_of(folder / "since_last_feed.csv")) == len(whole)
    feed_folders.remember_sent(published, folder, "school-a")
    write(published, school="school-a")
    assert rows_of(folder / "since_last_feed.csv") == []
    manifest = feed_folders.read_manifest(folder)
    assert manifest is not None and manifest["changes_since"] == "the feed of 2026-10-14 (learning-2026-10-14-1)"
