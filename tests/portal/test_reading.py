"""Pages for schools and the central office read at grade 8 or below, and no sentence of theirs is long or hard.

The figures: ``python -m tests.portal.test_reading`` says the grade of every file of the catalogue.
"""

from __future__ import annotations

import re

import pytest

from portal import catalogue
from tests.portal.conftest import Pages
from tests.portal.fixture_release import sourced
from tests.portal.reading_level import blocks, grade, sentences, syllables
from tests.portal.test_language import CENTRAL, PAGES, data

__all__ = ["data"]  # the fixture of what is no word of a page's own

MOST_GRADE, MOST_OF_ONE, MOST_WORDS = 8.0, 14.0, 30
# A few words of science that have no plain one: their sentence is short, and the grade of so few words says little.
SHORT = 8
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|<[^>]+>")
READ = [(who, path) for who, path in PAGES if who not in ("engineer", None) and path not in ("/operations",)]


def own_sentences() -> dict[str, list[list[str]]]:
    """By file of the catalogue its sentences; what varies in them is one short word."""
    found: dict[str, list[list[str]]] = {}
    for text, places in catalogue.texts().items():
        for form in text if isinstance(text, tuple) else (text,):
            plain = PLACE.sub(lambda one: "" if one[0].startswith("<") else "ten", form).replace("%%", "%")
            for place in places:
                found.setdefault(place, []).extend(sentences(plain))
    return {place: told for place, told in found.items() if told}


def hard(given: list[list[str]]) -> list[str]:
    """The sentences that are too long or too hard by themselves."""
    return [
        " ".join(one) for one in given if len(one) > MOST_WORDS or (len(one) > SHORT and grade([one]) > MOST_OF_ONE)
    ]


SYLLABLES = {"pupils": 2, "mastered": 2, "competency": 4, "evaluated": 4, "table": 2, "change": 1, "people": 2}
SYLLABLES |= {"needed": 2, "published": 2, "score": 1, "create": 2, "sources": 2, "judged": 1, "measure": 2, "2026": 1}


def test_syllables() -> None:
    assert {word: syllables(word) for word in SYLLABLES} == SYLLABLES


def test_the_grade_is_that_of_the_formula() -> None:
    """0.39 words a sentence + 11.8 syllables a word - 15.59, by hand: 6 words, 6 syllables, one sentence."""
    assert grade(sentences("The cat sat on the mat.")) == pytest.approx(0.39 * 6 + 11.8 * 1 - 15.59)


def test_every_text_is_read_at_grade_eight_by_file_and_none_is_hard() -> None:
    told = own_sentences()
    assert {place: round(grade(given), 1) for place, given in told.items() if grade(given) > MOST_GRADE} == {}
    assert [one for given in told.values() for one in hard(given)] == []


def test_every_page_is_read_at_grade_eight(pages: Pages, data: re.Pattern[str]) -> None:
    """As it stands with all its numbers and stored sentences, without names of people and things."""
    assert {path for _, path in READ} > set(CENTRAL) - {"/operations"}
    grades, hard_ones = {}, []
    for who, path in READ:
        address = path.format(pupil=pages.people[sourced(0, 0)])
        main = pages.client(str(who)).get(address, headers={"accept-language": "en"}).text.partition("<main")[2]
        told = [one for text in blocks(f"<main{main}") for one in sentences(data.sub("it", text), is_page=True)]
        hard_ones += hard(told)
        if told and (found := grade(told)) > MOST_GRADE:
            grades[path] = round(found, 1)
    assert (grades, hard_ones) == ({}, [])


def main() -> None:
    """Print the grade of each file's texts, the hardest first."""
    told = sorted(own_sentences().items(), key=lambda one: -grade(one[1]))
    for place, given in told:
        print(f"{grade(given):5.1f}  {len(given):4d} sentences  {place}")
    every = [one for _, given in told for one in given]
    print(f"{grade(every):5.1f}  {len(every):4d} sentences  all; the longest has {max(map(len, every))} words")


if __name__ == "__main__":
    main()
