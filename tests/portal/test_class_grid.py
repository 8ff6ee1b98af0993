"""Cells of the grid: every state has its letter, its words in both languages, and nothing gets out of its quotes."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest

from answers.class_answers import ClassView, Column
from cairn.language import speaking
from portal.class_grid import MARKS, drawn_rows

PUPIL, TOPIC = """<k'"&>""", 'a"b<&/c d'
STATES = {
    ("mastered", False): ("Mastered", "M", "m"),
    ("review_due", False): ("Review due", "R", "r"),
    ("developing", False): ("Developing", "D", "d"),
    ("not_enough_evidence", False): ("Not enough evidence", "N", "e"),
    ("not_started", False): ("Not started", "N", "e"),
    ("developing", True): ("Stuck", "S", "s"),
}


class Links(HTMLParser):
    """Attributes of the links, the texts inside, and whatever else was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def view(row: dict[str, Any] | None) -> tuple[ClassView, list[Column]]:
    columns = [Column(TOPIC, "C1", "Fractions", "C", 1, True), Column("far", "C2", "Decimals", "C", 0, False)]
    cells = {(PUPIL, TOPIC): row} if row else {}
    nothing: Any = []
    found = ClassView({}, date(2026, 10, 14), [PUPIL], columns, nothing, cells, *[nothing] * 5, resources={})
    return found, columns


@pytest.mark.parametrize(("state", "is_stuck"), STATES)
def test_a_cell_says_its_state_in_words_and_leads_to_its_evidence(state: str, is_stuck: bool) -> None:
    found, columns = view({"state": state, "is_stuck": is_stuck, "expected_share": 0.564})
    read = Links(drawn_rows(found, columns, {})[PUPIL])
    words, letter, kind = STATES[state, is_stuck]
    (link,) = read.links
    assert link["aria-label"] == f"{words}, 56 %" and read.texts == [letter] and link["class"] == f"cell {kind}"
    assert link["href"] == f"/students/{PUPIL}?on=a%22b%3C%26/c%20d#on-a%22b%3C%26/c%20d"
    assert read.tags == ["td", "a", "td"], "no tag of a name's making"
    assert set(MARKS) == {one for one, _ in STATES}


def test_a_teachers_word_stands_beside_it_in_the_language_of_the_page() -> None:
    found, columns = view({"state": "developing", "is_stuck": False, "expected_share": None})
    standing = {(PUPIL, TOPIC): {"said": "mastered"}}
    english = Links(drawn_rows(found, columns, standing)[PUPIL])
    with speaking("es"):
        spanish = Links(drawn_rows(found, columns, standing)[PUPIL])
    assert english.links[0]["aria-label"] == "Developing; a teacher said mastered" and english.texts == ["D", "t"]
    told = str(spanish.links[0]["aria-label"])
    assert "un docente dijo" in told and "Developing" not in told and spanish.texts[1] == "d"


def test_no_work_is_an_empty_cell() -> None:
    found, columns = view(None)
    assert drawn_rows(found, columns, {})[PUPIL] == '<td></td><td class="far"></td>'
