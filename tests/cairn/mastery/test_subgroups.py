"""Groups that are too small to be told of: which are held back, what is told of the others, what files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from cairn.errors import CairnError
from cairn.mastery.follow_up import Calls, by_subgroup
from cairn.mastery.responses import Responses, read_table, responses_from
from cairn.mastery.share.durable import evidence_of
from cairn.mastery.subgroups import NOT_TOLD
from cairn.privacy import held_back

N_MIN = 10
EACH = 6  # attempts of each pupil: the call is behind the first, then five more


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), max_size=8))
def test_what_is_held_back_never_tells_on_fewer_than_ten(pupils: dict[str, int]) -> None:
    hidden = held_back(pupils, N_MIN)
    together = sum(pupils[name] for name in hidden)
    assert {name for name, size in pupils.items() if size < N_MIN} <= hidden
    assert together == 0 or together >= N_MIN or hidden == set(pupils)


def test_one_small_group_takes_the_next_larger_one_with_it() -> None:
    assert held_back({"a": 9, "b": 11, "c": 50}, N_MIN) == {"a", "b"}
    assert held_back({"a": 5, "b": 6, "c": 50}, N_MIN) == {"a", "b"}
    assert held_back({"a": 10, "b": 11}, N_MIN) == set()


def responses(path: Path, sizes: dict[str, int], wrong: str = "") -> Responses:
    """EACH attempts of each pupil, all right, in group ``wrong`` none."""
    lines = ["user_id,skill_id,item_id,correct,timestamp,subgroup"]
    for group, size in sizes.items():
        for pupil in range(size):
            right = int(group != wrong)
            lines += [f"{group}{pupil},s,i{n},{right},{1_790_000_000 + n * 86_400},{group}" for n in range(EACH)]
    path.write_text("\n".join(lines) + "\n")
    [data] = responses_from([(path, read_table(path))])
    return data


def called(data: Responses) -> Calls:
    evidence = evidence_of(data, np.zeros(data.user.size))
    return Calls(evidence, np.full(data.user.size, 0.9), np.ones(data.user.size, dtype=bool))


def test_calls_are_told_by_subgroup(tmp_path: Path) -> None:
    data = responses(tmp_path / "r.csv", {"hard": 12, "soft": 30, "few": 4, "fewer": 7}, wrong="hard")
    told = {one["subgroup"]: one for one in by_subgroup(called(data), np.ones(data.user.size, dtype=bool), N_MIN)}
    assert list(told) == ["few", "fewer", "hard", "soft"]
    nothing = {"pupils", "mastered_pairs", "promised_share", "next5_correct", "under_60_pct"}
    for name in ("few", "fewer"):
        assert told[name]["is_suppressed"]
        assert {told[name][one] for one in nothing} == {None}
    hard, soft = told["hard"], told["soft"]
    assert (hard["pupils"], hard["mastered_pairs"], hard["next5_correct"], hard["under_60_pct"]) == (12, 12, 0.0, 100.0)
    assert (soft["pupils"], soft["next5_correct"], soft["under_60_pct"]) == (30, 1.0, 0.0)
    assert soft["promised_share"] == pytest.approx(0.9)


def test_what_came_next_is_told_of_ten_pupils_at_least(tmp_path: Path) -> None:
    data = responses(tmp_path / "r.csv", {"a": 12})
    enough = np.ones(data.user.size, dtype=bool)
    enough[: EACH * 9] = data.user[: EACH * 9] < 0  # nine pupils are never called: three are followed
    [told] = by_subgroup(called(data), enough, N_MIN)
    assert (told["pupils"], told["mastered_pairs"], told["next5_correct"]) == (12, 3, None)


def test_files_without_the_column_tell_no_subgroup(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,skill_id,correct\nu,s,1\n")
    [data] = responses_from([(path, read_table(path))])
    assert data.subgroup_of == []
    assert by_subgroup(called(data), np.ones(1, dtype=bool), N_MIN) == []


def test_numbers_are_names_and_empty_ones_are_a_group_of_their_own(tmp_path: Path) -> None:
    users = [f"u{code:02d}" for code in range(24)]
    group = [1 if code < 12 else None for code in range(24)]
    path = tmp_path / "r.parquet"
    parquet.write_table(
        pa.table({"user_id": users, "skill_id": ["s"] * 24, "correct": [1] * 24, "subgroup": group}), path
    )
    [data] = responses_from([(path, read_table(path))])
    told = by_subgroup(called(data), np.ones(24, dtype=bool), N_MIN)
    assert [(one["subgroup"], one["pupils"]) for one in told] == [("1", 12), (NOT_TOLD, 12)]


def test_a_pupil_of_two_subgroups_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,skill_id,correct,subgroup\nu,s,1,a\nv,s,1,\nv,s,1,b\nu,s,0,b\n")
    with pytest.raises(CairnError, match=r"r\.csv: pupil u is of subgroups 'a' and 'b': a pupil has one"):
        read_table(path)


def test_a_subgroup_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    parquet.write_table(pa.table({"user_id": ["u"], "skill_id": ["s"], "correct": [1], "subgroup": [["a", "b"]]}), path)
    with pytest.raises(CairnError, match="column subgroup holds no text"):
        read_table(path)
