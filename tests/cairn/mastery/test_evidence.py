"""The evidence rule: what counts, what is practice, and that arrival changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.mastery.arrow import item_codes
from cairn.mastery.config import EvidenceRule
from cairn.mastery.evidence import (
    AIDED,
    COUNTED,
    PRACTICE,
    RAPID,
    REASONS,
    REPEATED,
    TOTAL,
    Attempts,
    judge,
    outcomes,
    score_shares,
    unnamed_item,
)

HOUR = 3_600_000_000
RULE = EvidenceRule(
    frozenset({"attempt"}), frozenset({"grade"}), frozenset({"completion"}), 24 * 3600.0, True, 0.8, 1000
)


def attempts(rows: list[dict[str, Any]]) -> Attempts:
    """Attempts from dicts: pair 0, item 1, time in hours, right, unaided, where not said otherwise."""

    def column(name: str, default: Any, kind: Any) -> Any:
        return np.array([row.get(name, default) for row in rows], dtype=kind)

    return Attempts(
        pair=column("pair", 0, np.int64),
        item=column("item", 1, np.int64),
        time_us=column("hour", 0, np.int64) * HOUR,
        day=column("hour", 0, np.int64) // 24,
        event_rank=np.array([row.get("rank", i) for i, row in enumerate(rows)], dtype=np.int64),
        correct=column("right", 1.0, np.float64),
        has_hints=column("hints", False, bool),
        is_total=column("total", False, bool),
        is_practice=column("practice", False, bool),
        is_rapid=column("rapid", False, bool),
    )


def verdicts(rows: list[dict[str, Any]], rule: EvidenceRule = RULE) -> list[int]:
    return [int(v) for v in judge(attempts(rows), rule).verdict]


def test_retries_within_the_spacing_are_practice() -> None:
    rows = [{"hour": 0}, {"hour": 1}, {"hour": 2}, {"hour": 3, "item": 2}]
    assert verdicts(rows) == [COUNTED, REPEATED, REPEATED, COUNTED]


def test_after_the_spacing_an_item_counts_again() -> None:
    assert verdicts([{"hour": 0}, {"hour": 24}, {"hour": 47}]) == [COUNTED, COUNTED, REPEATED]


def test_spacing_runs_from_the_last_time_the_item_was_seen() -> None:
    assert verdicts([{"hour": 0}, {"hour": 20}, {"hour": 40}]) == [COUNTED, REPEATED, REPEATED]


def test_hints_make_an_attempt_not_right_alone() -> None:
    judged = judge(attempts([{"hints": True}, {"hour": 1}]), RULE)
    assert judged.verdict.tolist() == [COUNTED, REPEATED]
    assert judged.correct.tolist() == [0.0, 1.0]


def test_hints_can_be_practice() -> None:
    rule = replace(RULE, are_hints_incorrect=False)
    assert verdicts([{"hints": True}, {"hour": 1}, {"hour": 30}], rule) == [AIDED, REPEATED, COUNTED]


def test_rapid_guesses_are_marked_and_show_the_item() -> None:
    assert verdicts([{"rapid": True}, {"hour": 1}]) == [RAPID, REPEATED]


def test_kinds_that_never_count_are_practice() -> None:
    assert verdicts([{"practice": True}, {"hour": 30}]) == [PRACTICE, COUNTED]


def unnamed(day: int) -> int:
    return int(unnamed_item(np.array([day]))[0])


def test_attempts_without_item_count_once_a_day() -> None:
    """Whatever the spacing of named items: four in a row are one piece of evidence, the next day's is another."""
    rows = [{"item": unnamed(0), "hour": hour} for hour in (0, 0, 0, 23)]
    rows += [{"item": unnamed(1), "hour": 24}, {"item": 7, "hour": 25}]
    for spacing_hours in (1, 24, 100):
        rule = replace(RULE, spacing_seconds=spacing_hours * 3600.0)
        assert verdicts(rows, rule) == [COUNTED, REPEATED, REPEATED, REPEATED, COUNTED, COUNTED]


def test_a_quiz_total_does_not_count_beside_its_questions() -> None:
    quiz = [{"hour": 9, "item": 1}, {"hour": 9, "item": 2}, {"hour": 10, "item": 9, "total": True}]
    assert verdicts(quiz) == [COUNTED, COUNTED, TOTAL]
    assert verdicts([*quiz, {"hour": 34, "item": 8, "total": True}])[-1] == COUNTED, "alone on its day it is evidence"
    assert verdicts([{"hour": 9, "item": 9, "total": True}, {"hour": 10, "item": 1}]) == [TOTAL, COUNTED]
    # The total takes nobody's place: neither under the answer's own item nor as the day's unnamed one.
    assert verdicts([{"hour": 9, "item": 1, "total": True}, {"hour": 10, "item": 1}]) == [TOTAL, COUNTED]
    unnamed = int(unnamed_item(np.array([0]))[0])
    assert verdicts([{"hour": 9, "item": unnamed, "total": True}, {"hour": 10, "item": unnamed}]) == [TOTAL, COUNTED]
    assert verdicts([{"hour": 9, "practice": True}, {"hour": 10, "item": 9, "total": True}]) == [PRACTICE, COUNTED]
    assert verdicts([{"hour": 9, "pair": 1}, {"hour": 10, "item": 9, "pair": 2, "total": True}]) == [COUNTED, COUNTED]


def test_every_verdict_but_counted_has_a_reason() -> None:
    assert set(REASONS) == {PRACTICE, RAPID, AIDED, REPEATED, TOTAL}
    assert COUNTED not in REASONS


def test_an_unnamed_item_is_told_by_the_local_day() -> None:
    codes = item_codes(pa.array(["a", None, None, "a"]), np.array([20_000, 20_000, 20_001, 20_001]))
    assert codes[0] == codes[3] >= 0
    assert codes[1] != codes[2]
    assert max(codes[1], codes[2]) < 0


def test_equal_times_are_ordered_by_event_id() -> None:
    judged = judge(attempts([{"rank": 7, "right": False}, {"rank": 3}]), RULE)
    assert judged.order.tolist() == [1, 0]
    assert judged.correct[0] == 1.0


row = st.fixed_dictionaries(
    {
        "pair": st.integers(0, 2),
        "item": st.integers(-4, 3).filter(lambda code: code != -1),
        "hour": st.integers(0, 90),
        "right": st.sampled_from([0.0, 0.5, 1.0]),
        "hints": st.booleans(),
        "rapid": st.booleans(),
        "practice": st.booleans(),
        "total": st.booleans(),
    }
)


@given(st.lists(row, max_size=30), st.randoms())
def test_arrival_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    ranked = [{**r, "rank": i} for i, r in enumerate(rows)]
    shuffled = list(ranked)
    random.shuffle(shuffled)
    first, second = judge(attempts(ranked), RULE), judge(attempts(shuffled), RULE)
    assert [ranked[i]["rank"] for i in first.order] == [shuffled[i]["rank"] for i in second.order]
    assert first.verdict.tolist() == second.verdict.tolist()
    assert first.correct.tolist() == second.correct.tolist()


@pytest.mark.parametrize(
    ("success", "scaled", "raw", "low", "high", "expected"),
    [
        (1, math.nan, math.nan, math.nan, math.nan, 1),
        (0, 1.0, math.nan, math.nan, math.nan, 0),
        (math.nan, 0.8, math.nan, math.nan, math.nan, 0.8),
        (math.nan, 0.79, 10.0, math.nan, 10.0, 0.79),
        (math.nan, math.nan, 8.0, math.nan, 10.0, 0.8),
        (math.nan, math.nan, 5.0, 1.0, 6.0, 0.8),
        (math.nan, math.nan, 11.0, math.nan, 10.0, 1.0),
        (math.nan, -0.5, math.nan, math.nan, math.nan, 0.0),
        (math.nan, math.nan, -1.0, 0.0, 10.0, 0.0),
        (math.nan, math.nan, 5.0, math.nan, 0.0, math.nan),
        (math.nan, math.nan, 5.0, math.nan, math.nan, math.nan),
    ],
)
def test_outcomes(success: float, scaled: float, raw: float, low: float, high: float, expected: float) -> None:
    columns = [np.array([value]) for value in (scaled, raw, low, high)]
    [found] = outcomes(np.array([success]), score_shares(*columns)).tolist()
    assert found == pytest.approx(expected, abs=0.0, nan_ok=True)
    assert math.copysign(1.0, found) == 1.0, "no zero below zero: outcomes are hashed by their bits"
