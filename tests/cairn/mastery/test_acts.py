"""One act on several skills is one response, whether it stands in one row or in several of one order_id."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.errors import CairnError
from cairn.mastery.responses import Responses, read_table, responses_from


def read(tmp_path: Path, *rows: str, header: str = "order_id,user_id,skill_id,item_id,correct") -> Responses:
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return responses_from([(path, read_table(path))])[0]


def told(found: Responses) -> list[tuple[str, str, list[str], float]]:
    skills: list[list[str]] = [[] for _ in found.correct]
    for response, skill in zip(found.response, found.skill, strict=True):
        skills[response].append(found.skills[skill])
    return [
        (found.users[user], found.items[item], names, correct)
        for user, item, names, correct in zip(found.user, found.item, skills, found.correct, strict=True)
    ]


def test_rows_of_one_order_id_are_one_response_in_order_of_work(tmp_path: Path) -> None:
    found = read(tmp_path, "10,p1,1.10,i2,1", "9,p1,1.1,i1,0", "9,p1,1.10,i1,0", "9,p2,1.1,i1,1", "9,p1,1.1,i7,1")
    assert told(found) == [
        ("p1", "i1", ["1.1", "1.10"], 0.0),
        ("p2", "i1", ["1.1"], 1.0),
        ("p1", "i7", ["1.1"], 1.0),
        ("p1", "i2", ["1.10"], 1.0),
    ], "two pupils, or two items, of one order_id are two responses"


def test_rows_without_an_order_id_stand_alone_and_keep_the_order_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, ",p1,a,i1,1", ",p1,b,i1,1", "3,p1,a,i2,0")
    assert [names for _, _, names, _ in told(found)] == [["a"], ["b"], ["a"]]


def test_an_act_has_one_outcome(tmp_path: Path) -> None:
    with pytest.raises(CairnError, match=r"log\.csv: row 2: rows of one order_id have different outcomes"):
        read(tmp_path, "8,p1,a,i0,1", "9,p1,a,i1,1", "9,p1,b,i1,0")
