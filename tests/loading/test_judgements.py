"""A teacher's word: appended once, withdrawn or ended, read as of a day; by page and by file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lake
import loading
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.teacher_words import NOTE_CHARACTERS, load_teacher_words
from identity.vault import Vault
from loading.judgements import TABLE, Judgement, read_judgements, say, standing

DAY = date(2026, 10, 14)
PAIR = ("p_1", "k")
WORD = Judgement(
    student_key="p_1",
    competency_id="k",
    said="mastered",
    said_date=DAY,
    role="school_leader",
    source="page",
    reason="seen_in_class",
    note="Solved ten on paper",
    school_id="s1",
    account_id="a1",
)


def rows(settings: Settings) -> list[dict[str, Any]]:
    return read_judgements(settings, ["p_1"])


def stands(settings: Settings, on: date = DAY) -> str | None:
    found = standing(rows(settings), on)
    return found[PAIR]["said"] if PAIR in found else None


def test_a_form_sent_twice_is_one_row(settings: Settings) -> None:
    assert len(say(settings, [WORD])) == 1
    assert say(settings, [WORD]) == []
    assert say(settings, [replace(WORD, said_date=DAY + timedelta(days=1))]) == [], "it stands already"
    assert lake.count_rows(settings, TABLE) == 1


def test_each_saying_and_withdrawal_is_a_row_that_names_the_one_before(settings: Settings) -> None:
    say(settings, [WORD])
    say(settings, [replace(WORD, said="not_yet", reason="was_helped", note=None)])
    say(settings, [replace(WORD, said="withdrawn", reason="left out", note=None)])
    assert say(settings, [replace(WORD, said="withdrawn")]) == [], "nothing stands that could be withdrawn"
    say(settings, [WORD])
    ledger = rows(settings)
    assert [row["said"] for row in ledger] == ["mastered", "not_yet", "withdrawn", "mastered"]
    assert [row["previous_id"] for row in ledger] == [None, *(row["judgement_id"] for row in ledger[:-1])]
    assert len({row["judgement_id"] for row in ledger}) == 4
    assert ledger[2]["reason"] is None
    assert stands(settings) == "mastered"


def test_it_ends_after_its_last_day_and_is_not_there_before_it_was_said(settings: Settings) -> None:
    say(settings, [replace(WORD, until_date=DAY + timedelta(days=2))])
    found = [stands(settings, DAY + timedelta(days=days)) for days in (-1, 0, 2, 3)]
    assert found == [None, "mastered", "mastered", None]


def test_what_is_newest_by_its_day_stands_whatever_arrived_later(settings: Settings) -> None:
    say(settings, [replace(WORD, said="not_yet", note=None)])
    late = replace(WORD, source="file", role="district_system", said_date=DAY - timedelta(days=3), note=None)
    assert len(say(settings, [late])) == 1
    assert say(settings, [late]) == [], "a file that came before"
    assert stands(settings) == "not_yet" and stands(settings, DAY - timedelta(days=1)) == "mastered"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"said": "brilliant"}, "Say one of"),
        ({"reason": "because"}, "Give the reason, one of seen_in_class"),
        ({"reason": None}, "Give the reason"),
        ({"until_date": DAY - timedelta(days=1)}, "lies before"),
        ({"note": "x" * (NOTE_CHARACTERS + 1)}, "at most 200"),
        ({"note": "a\x07b"}, "cannot be printed"),
    ],
)
def test_what_cannot_be_said_is_refused_before_anything_is_written(
    settings: Settings, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(CairnError, match=words):
        say(settings, [WORD, replace(WORD, student_key="p_2", **change)])
    assert not lake.exists(settings, TABLE)


def test_a_word_is_known_from_when_it_was_recorded(settings: Settings) -> None:
    night = datetime(2026, 10, 15, 7, tzinfo=UTC)
    say(settings, [WORD], recorded_at=night)
    say(settings, [replace(WORD, student_key="p_2")], recorded_at=night + timedelta(hours=1))
    assert [row["student_key"] for row in read_judgements(settings, since=night)] == ["p_2"]


def test_the_districts_own_lists_hold_and_bad_ones_are_named(settings: Settings) -> None:
    path = settings.district_dir / "teacher_words.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("override_reasons: {lab: Shown in the lab}\naction_kinds: {lab: Lab hour}\n")
    assert load_teacher_words(settings).of("lab") == "Shown in the lab"
    with pytest.raises(CairnError, match="one of lab"):
        say(settings, [WORD])
    for content, words in (
        ("override_reasons: {}\n", "override_reasons: write at least one"),
        ("override_reasons: {a b: x}\n", "'a b' is no code"),
        ("reasons: {a: x}\n", "unknown key reasons"),
    ):
        path.write_text(content)
        with pytest.raises(CairnError, match=words):
            load_teacher_words(settings)


def test_words_by_file(settings: Settings, tmp_path: Path) -> None:
    Vault(settings).register([{"sourced_id": "usr-ann-0001", "given_name": "A"}])
    path = tmp_path / "overrides.csv"
    path.write_text(
        "StudentId,Date,Competency,Says,Reason,Until\n"
        "usr-ann-0001,2026-10-05,k,mastered,other_test,2026-11-30\n"
        "usr-ann-0001,2026-10-07,k,withdrawn,,\n"
        "usr-ann-0001,2026-10-07,k2,perhaps,other_test,\n"
        "usr-ann-0001,2026-10-07,k3,mastered,,\n"
        "usr-nobody,2026-10-05,k,mastered,other_test,\n"
        "usr-ann-0001,,k,mastered,other_test,\n"
    )
    result = loading.load_facts(settings, path, "cairn_overrides")
    assert [result[key] for key in ("rows", "results", "rejected", "added")] == [6, 2, 4, 2]
    assert sorted(problem.split(": ", 1)[1] for problem in result["problems"]) == [
        "Date is empty",
        "Give the reason, one of seen_in_class, other_test, was_helped, not_kept, other.",
        "Says is none of mastered, not_yet, withdrawn",
        "StudentId is no pupil of the roster: load the roster first",
    ]
    assert loading.load_facts(settings, path, "cairn_overrides")["added"] == 0
    ledger = read_judgements(settings)
    assert [(row["said"], row["role"], row["source"]) for row in ledger] == [
        ("mastered", "district_system", "file"),
        ("withdrawn", "district_system", "file"),
    ]
    assert ledger[0]["student_key"].startswith("p_") and ledger[1]["previous_id"] == ledger[0]["judgement_id"]
    assert list(standing(ledger, date(2026, 10, 6))) == [(ledger[0]["student_key"], "k")]
    assert standing(ledger, date(2026, 10, 7)) == {}


def test_many_small_files_become_one_and_say_the_same(settings: Settings) -> None:
    """What each build of the marts does with a day's forms."""
    for number in range(4):
        say(settings, [replace(WORD, competency_id=f"k{3 - number}", until_date=DAY + timedelta(days=number))])
    before = rows(settings)
    assert lake.compact(settings, TABLE) == 4
    assert rows(settings) == before and len(lake.table_files(settings, TABLE)) == 1
    assert say(settings, [replace(WORD, competency_id="k3", until_date=DAY)]) == []
