"""What a school leader says of a pupil: through the form, into the ledger, back onto the pages beside the number."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.teacher_words import NOTE_CHARACTERS
from loading.actions import read_actions
from loading.judgements import read_judgements
from tests.portal.conftest import Pages, submit
from tests.portal.fixture_release import sourced

FORM = {
    "competency_id": "comp-1",
    "said": "not_yet",
    "reason": "was_helped",
    "note": "Helped by a neighbour",
    "until": "",
}


def address(pages: Pages, number: int, school: int = 0) -> tuple[str, str]:
    key = pages.people[sourced(school, number)]
    return key, f"/students/{key}"


def said_of(pages: Pages, key: str) -> list[tuple[str, str]]:
    return [(row["competency_id"], row["said"]) for row in read_judgements(pages.settings, [key])]


def done_for(pages: Pages, key: str) -> list[str]:
    return [row["kind"] for row in read_actions(pages.settings, [key])]


def test_a_word_is_said_once_shown_at_once_and_withdrawn(pages: Pages) -> None:
    client, (key, page) = pages.client("leader-a"), address(pages, 4)
    before = client.get(page).text
    for _ in range(2):
        answer = submit(client, page, f"{page}/words", **FORM)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{page}#words")
    assert said_of(pages, key) == [("comp-1", "not_yet")], "a double click is one row"
    (row,) = read_judgements(pages.settings, [key])
    assert (row["role"], row["source"], row["school_id"]) == ("school_leader", "page", "school-a")
    assert row["account_id"] and row["account_id"] != "leader-a"
    text = client.get(page).text
    assert "said by a school leader on" in text and "not yet (since the night)" in text
    assert "Helped by a neighbour" in text and "The answers were helped" in text
    figures = re.compile(r'<dl class="figures">.*?</dl>', re.S)
    assert figures.findall(text) == figures.findall(before), "the computed states stay as they are"
    again = submit(client, page, f"{page}/words", competency_id="comp-1", said="withdrawn")
    assert again.status_code == 303
    assert said_of(pages, key) == [("comp-1", "not_yet"), ("comp-1", "withdrawn")]
    after = client.get(page).text
    assert "No word stands." in after and "Everything that was said: 2 entries" in after


def test_the_nights_word_stands_beside_the_number_on_both_pages(pages: Pages) -> None:
    client, (_, page) = pages.client("leader-a"), address(pages, 0)
    text = client.get(page).text
    assert "said by a school leader on Tue 13 Oct: mastered</span>" in text, "not since the night: the mart knows it"
    school = client.get("/schools/school-a").text
    assert '/teachers-words?kind=set-aside">1</a> say that no adult is needed' in school
    said = client.get("/schools/school-a/teachers-words").text
    assert "said by a school leader on Tue 13 Oct: mastered</span>" in said and "Seen in class or on paper" in said


def test_what_was_withdrawn_since_the_night_says_so(pages: Pages) -> None:
    client, (_, page) = pages.client("leader-a"), address(pages, 0)
    form = {"competency_id": "comp-2", "said": "withdrawn"}
    assert submit(client, page, f"{page}/words", **form).status_code == 303
    assert "mastered; withdrawn or ended since the night" in client.get(page).text
    said = {"competency_id": "comp-2", "said": "mastered", "reason": "seen_in_class"}
    assert submit(client, page, f"{page}/words", **said).status_code == 303


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"competency_id": "comp-9"}, "Choose a competency."),
        ({"said": "brilliant"}, "Say one of"),
        ({"reason": ""}, "Give the reason"),
        ({"until": "soon"}, "Write the day as"),
        ({"until": "2020-01-01"}, "lies before"),
        ({"note": "x" * (NOTE_CHARACTERS + 1)}, "at most 200"),
    ],
)
def test_a_form_that_says_nothing_sensible_says_what_to_mend(pages: Pages, change: dict[str, str], words: str) -> None:
    client, (key, page) = pages.client("leader-a"), address(pages, 5)
    answer = submit(client, page, f"{page}/words", **FORM | change)
    assert answer.status_code == 422 and words in answer.text
    assert said_of(pages, key) == []


POSTS = ["words", "actions"]


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("who", ["leader-b", "central", "engineer", None])
def test_nobody_else_speaks_of_a_schools_pupil(pages: Pages, who: str | None, post: str) -> None:
    key, page = address(pages, 6)
    client = pages.client(who) if who else pages.anonymous()
    token_page = {"central": "/", "engineer": "/operations", "leader-b": "/schools/school-b/feed", None: "/login"}[who]
    answer = submit(client, token_page, f"{page}/{post}", **FORM)
    assert answer.status_code == (403 if who else 303)
    if who is None:
        assert answer.headers["location"].startswith("/login")
    assert said_of(pages, key) == [] and done_for(pages, key) == []


@pytest.mark.parametrize("post", POSTS)
def test_a_form_from_elsewhere_is_refused(pages: Pages, post: str) -> None:
    client, (key, page) = pages.client("leader-a"), address(pages, 7)
    assert client.post(f"{page}/{post}", data=FORM).status_code == 403
    assert client.post(f"{page}/{post}", data=FORM | {"csrf": "guessed"}).status_code == 403
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)
    assert token is not None
    foreign = client.post(f"{page}/{post}", data=FORM | {"csrf": token[1]}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403 and said_of(pages, key) == []
    assert client.get(f"{page}/{post}").status_code == 405


def test_a_note_is_on_the_pupils_page_alone(pages: Pages, caplog: pytest.LogCaptureFixture) -> None:
    client, (_, page) = pages.client("leader-a"), address(pages, 8)
    with caplog.at_level(logging.DEBUG):
        submit(client, page, f"{page}/words", **FORM | {"note": "Quokka on the roof"})
    assert "Quokka" in client.get(page).text and "Quokka" not in caplog.text
    for who, path in (("leader-a", "/schools/school-a"), ("central", "/schools/school-a"), ("engineer", "/operations")):
        assert "Quokka" not in pages.client(who).get(path).text


@pytest.fixture
def damaged_ledger(pages: Pages) -> Iterator[None]:
    """The ledger's data files are gone from under its log; they are back after the test."""
    folder = Path(pages.settings.lake) / "silver" / "teacher_judgement"
    files = list(folder.rglob("*.parquet"))
    assert files, "the fixture says a word"
    for file in files:
        file.rename(file.with_suffix(".away"))
    yield
    for file in files:
        file.with_suffix(".away").rename(file)


@pytest.mark.usefixtures("damaged_ledger")
def test_a_ledger_that_cannot_be_read_takes_no_page_away(pages: Pages) -> None:
    client, (_, page) = pages.client("leader-a"), address(pages, 0)
    answer = client.get(page)
    assert answer.status_code == 200 and "cannot be read at the moment" in answer.text
    assert "said by a school leader on Tue 13 Oct: mastered</span>" in answer.text
    assert client.get("/schools/school-a").status_code == 200


def test_an_action_is_logged_from_both_pages_once_and_taken_back(pages: Pages) -> None:
    client, (key, page) = pages.client("leader-a"), address(pages, 9)
    school = "/schools/school-a"
    form = {"competency_id": "comp-1", "kind": "small_group", "back": "school"}
    for _ in range(2):
        answer = submit(client, school, f"{page}/actions", **form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{school}/needs-adult")
    assert done_for(pages, key) == ["small_group"], "a double click is one row"
    listed = client.get(f"{school}/needs-adult").text
    assert "Small group, " in listed and "(since the night)" in listed
    noted = form | {"kind": "reteach", "note": "At the number line", "back": ""}
    answer = submit(client, page, f"{page}/actions", **noted)
    assert answer.headers["location"] == f"{page}#actions"
    text = client.get(page).text
    assert "Taught again, " in text and "At the number line" in text and "logged since the night" in text
    assert "At the number line" not in client.get(f"{school}/needs-adult").text
    old = form | {"kind": "one_to_one", "done_on": "2026-09-16", "back": ""}
    assert submit(client, page, f"{page}/actions", **old).status_code == 303
    assert "One to one, " not in client.get(page).text, "no release of this data date tells of it any more"
    assert submit(client, page, f"{page}/actions", **old, take_back="yes").status_code == 303
    back = {"competency_id": "comp-1", "kind": "reteach", "take_back": "yes"}
    assert submit(client, page, f"{page}/actions", **back).status_code == 303
    assert done_for(pages, key) == ["small_group"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "prayer"}, "Say what was done, one of"),
        ({"competency_id": "comp-9"}, "Choose a competency."),
        ({"done_on": "2999-01-01"}, "That day is still to come."),
        ({"note": "x" * 201}, "at most 200"),
    ],
)
def test_an_action_that_cannot_be_says_why(pages: Pages, change: dict[str, str], words: str) -> None:
    client, (key, page) = pages.client("leader-a"), address(pages, 10)
    answer = submit(client, page, f"{page}/actions", **{"competency_id": "comp-1", "kind": "reteach"} | change)
    assert answer.status_code == 422 and words in answer.text
    assert done_for(pages, key) == []


def test_what_followed_is_told_beside_comparable_pupils_and_as_no_proof(pages: Pages) -> None:
    told = "right 4 of 5; 12 comparable pupils without help: 58 % right (50 % to 66 %)"
    school = pages.client("leader-a").get("/schools/school-a/actions").text
    pupil = pages.client("leader-a").get(address(pages, 3)[1]).text
    assert told in school and told in pupil and "no counted answer since" in school
    office = pages.client("central").get("/").text
    assert "+11 (-2 to +24)" in office and "fewer than 10 pupils can be compared" in office and "under 10" in office
    # Of 24 pupils 18 are compared: how many would tell of six who are not.
    assert re.search(r'<td class="n">20</td>\s*<td class="n">–</td><td class="n">71 %</td>', office)
    assert "Why no rate" in office and "A rate needs 10 such pupils of a kind" in office
    few = re.search(r"fewer than 10 pupils can be compared</td></tr>", office)
    assert few and "%" not in office[office.rindex("<tr>", 0, few.start()) : few.end()]
    for text in (school, pupil, office):
        assert "This is no proof that help worked or did not" in text
