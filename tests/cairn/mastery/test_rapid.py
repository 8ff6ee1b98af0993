"""Limits for rapid guesses: from an item's own times, by the published rule, held against plain Python."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, median

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import CairnError
from cairn.mastery.config import EvidenceRule, FitRule, MasteryConfig, RapidFit, load_config
from cairn.mastery.hashing import item_keys
from cairn.mastery.rapid import NO_LIMIT, NOT_TIMED, NOTHING_RAPID, RapidLimits, own_limits
from cairn.mastery.responses import Responses, read_table, responses_from, with_rapid_marked
from cairn.settings import Settings

RULE = RapidFit(share_of_mean_time=0.1, floor_ms=1_000, most_ms=10_000, minimum_answers=3)
DAY = 86_400.0


def limits_of(times: list[list[int]], rule: RapidFit | None = RULE) -> list[int]:
    """The limits of items with these times each, answers of all items mixed."""
    item = np.array([code for code, own in enumerate(times) for _ in own], dtype=np.int64)
    taken = np.array([one for own in times for one in own], dtype=np.int64)
    order = np.random.default_rng(1).permutation(item.size)
    return own_limits(item[order], taken[order], len(times), rule).tolist()


@pytest.mark.parametrize(
    ("times", "limit"),
    [
        ([20_000, 30_000, 40_000], 3_000),
        ([2_000, 3_000, 4_000], 1_000),  # the floor
        ([200_000, 300_000, 400_000], 10_000),  # ten seconds at most
        ([20_000, 30_000], NO_LIMIT),
        ([20_000, 30_000, NOT_TIMED], NO_LIMIT),
        ([20_000, 30_000, 40_000, NOT_TIMED], 3_000),
        ([20_000, 20_000, 20_000, 7_200_000], 4_000),  # two hours count as five medians
        ([], NO_LIMIT),
    ],
)
def test_a_tenth_of_the_mean_time_within_floor_and_ceiling(times: list[int], limit: int) -> None:
    assert limits_of([times]) == [limit]
    assert limits_of([times], None) == [NO_LIMIT], "no rule, no limits"


@given(st.lists(st.lists(st.integers(-1, 200_000), max_size=12), min_size=1, max_size=8))
def test_limits_are_what_plain_python_says_in_any_order(times: list[list[int]]) -> None:
    expected = []
    for own in times:
        timed = [one for one in own if one >= 0]
        mean = fmean(min(one, 5 * median(timed)) for one in timed) if timed else 0.0
        expected.append(min(max(round(0.1 * mean), 1_000), 10_000) if len(timed) >= 3 else NO_LIMIT)
    assert limits_of(times) == pytest.approx(expected, abs=1), "a half may round either way"


def test_what_is_set_by_hand_wins_and_the_general_limit_is_for_the_rest() -> None:
    keys = item_keys(pa.array(["a", "b", "c", "by hand only", "unknown"]))
    own = keys[:3], np.array([6_000, 1_200, NO_LIMIT])
    limits = RapidLimits.of(2_500, own, {"a": 900, "by hand only": 4_000})
    assert limits.of_items(keys).tolist() == [900, 1_200, 2_500, 4_000, 2_500]
    taken = np.array([900, 1_199, 2_499, 3_999, 2_500])
    assert limits.are_rapid(keys, taken).tolist() == [False, True, True, True, False]
    assert not limits.are_rapid(keys, np.full(5, NOT_TIMED)).any()
    assert not NOTHING_RAPID.are_rapid(keys, np.zeros(5, dtype=np.int64)).any()


def rule_and_fit(settings: Settings) -> tuple[EvidenceRule, FitRule]:
    config: MasteryConfig = load_config(settings)
    return config.evidence, config.fit


def responses(tmp_path: Path, rows: list[str], name: str = "some") -> Responses:
    path = tmp_path / f"{name}.csv"
    path.write_text("\n".join(["user_id,skill_id,item_id,correct,timestamp,duration_ms", *rows]) + "\n")
    [found] = responses_from([(path, read_table(path))])
    return found


def test_rapid_guesses_of_a_file_do_not_count_and_show_the_item(tmp_path: Path, settings: Settings) -> None:
    """Sixty pupils take half a minute for i1: under three seconds it is a guess, at i2 (few answers) under 2.5."""
    rows = [f"u{n},s,i1,1,{n},30000" for n in range(60)]
    rows += ["x,s,i1,1,100,2900", "x,s,i1,1,200,30000", "x,s,i2,1,300,2900", "x,s,i3,1,400,", "x,s,i4,1,500,2400"]
    data = responses(tmp_path, rows)
    assert data.first_attempts(DAY)[60:].tolist() == [True, False, True, True, True], "before they are marked"
    [marked] = with_rapid_marked([data], *rule_and_fit(settings))
    assert marked.first_attempts(DAY)[60:].tolist() == [False, False, True, True, False]
    assert marked.of(marked.user == marked.user[-1]).first_attempts(DAY).tolist() == [False, False, True, True, False]


def test_a_file_without_times_taken_is_left_as_it_is(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("user_id,skill_id,item_id,correct\nu,s,i,1\nv,s,j,0\n")
    data = responses_from([(path, read_table(path))])
    assert with_rapid_marked(data, *rule_and_fit(settings)) is data
    assert data[0].first_attempts(DAY).all()


@pytest.mark.parametrize("taken", ["-5", "inf", "quick"])
def test_times_that_cannot_be_are_refused_with_file_and_row(tmp_path: Path, taken: str) -> None:
    with pytest.raises(CairnError, match=r"some\.csv: (row 2: duration_ms|column duration_ms)"):
        responses(tmp_path, ["u,s,i,1,1,1000", f"u,s,i,1,2,{taken}"])
