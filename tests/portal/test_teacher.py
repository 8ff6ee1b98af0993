"""A teacher's pages: her own classes and pupils alone, groups, buttons that write into the ledgers and undo, print."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from identity.disclosure_log import list_disclosures
from loading.actions import read_actions
from loading.judgements import Judgement, read_judgements, say
from tests.portal.conftest import Pages, submit
from tests.portal.fixture_release import COMPETENCIES, SAID_DATE, pupil_name, sourced

PAGE = "/schools/school-a/classes/school-a-class-1"
GROUP = "school-a-group-0"
MEMBERS = (0, 2, 4, 6)


def key_of(pages: Pages, number: int, school: int = 0) -> str:
    return pages.people[sourced(school, number)]


def part(text: str, name: str) -> str:
    """One section of the page."""
    found = re.search(rf'<section class="part" id="{name}".*?</section>', text, re.S)
    assert found is not None
    return found[0]


def test_a_teacher_starts_at_her_own_classes(pages: Pages) -> None:
    client = pages.client("teacher-a")
    assert client.get("/").headers["location"] == "/classes"
    text = client.get("/classes").text
    assert f'href="{PAGE}"' in text and "Grade 4, room 1" in text and "Grade 5, room 2" not in text
    assert "<b>1 small group</b> to hold" in text
    leader = pages.client("leader-a").get("/classes").text
    assert f'href="{PAGE}"' in leader and "Grade 5, room 2" in leader


@pytest.mark.parametrize("rest", ["", "/print"])
def test_a_teacher_opens_her_own_class_and_no_other(pages: Pages, rest: str) -> None:
    client = pages.client("teacher-a")
    before = len(list_disclosures(pages.settings))
    assert client.get(PAGE + rest).status_code == 200
    told = list_disclosures(pages.settings)[before:]
    assert [(one["actor"], one["role"], one["student_count"]) for one in told] == [("teacher-a", "teacher", 16)]
    assert told[0]["student_keys"] == sorted(key_of(pages, number) for number in range(0, 32, 2))
    for other in ("school-a/classes/school-a-class-2", "school-b/classes/school-b-class-1", "school-a/classes/none"):
        assert client.get(f"/schools/{other}{rest}").status_code == 403
    for who in ("central", "engineer", "leader-b"):
        assert pages.client(who).get(PAGE + rest).status_code == 403
    assert len(list_disclosures(pages.settings)) == before + 1


def test_the_grid_has_each_pupil_and_topic_with_letter_and_words(pages: Pages) -> None:
    grid = part(pages.client("teacher-a").get(PAGE).text, "grid")
    rows = re.findall(r"<tr>(.*?)</tr>", grid, re.S)
    assert len(rows) == 17 and all(row.count("<td") == len(COMPETENCIES) for row in rows[1:])
    codes = re.findall(r"<span title=[^>]*>([^<]+)</span>", rows[0])
    assert codes == [code for _, code, _, _ in COMPETENCIES]
    # Pupil 0: mastered, developing by number (a teacher said mastered), not enough evidence, review due.
    (own,) = [row for row in rows if " ".join(pupil_name(0, 0)) in row]
    assert re.findall(r'class="cell (\w)"', own) == ["m", "d", "e", "r"]
    assert "Developing, 50 %; a teacher said mastered" in own and "D<i>t</i>" in own
    assert f'href="/students/{key_of(pages, 0)}?on=comp-1#on-comp-1"' in own
    assert all(word in grid for word in ("mastered", "review due", "developing", "stuck", "not enough evidence"))


def test_the_grid_of_one_unit(pages: Pages) -> None:
    client = pages.client("teacher-a")
    grid = part(client.get(f"{PAGE}?show=4.NF").text, "grid")
    assert "16 pupils by 2 topics" in grid and "3.OA.7" not in grid
    assert "16 pupils by 4 topics" in part(client.get(f"{PAGE}?show=<script>").text, "grid")


def test_every_pupil_has_one_place_in_the_period(pages: Pages) -> None:
    groups = part(pages.client("teacher-a").get(PAGE).text, "groups")
    for number in range(0, 32, 2):
        name = " ".join(pupil_name(0, number))
        # Number 8 has left the group tonight, which is told beside her place.
        assert len(re.findall(rf"\b{name}\b", groups)) == (2 if number == 8 else 1)
    assert " ".join(pupil_name(0, 1)) not in groups, "of another class"
    assert "(mastered it)" in groups and "An adult with 4 pupils" in groups and "2 to 6 pupils" in groups


def test_a_whole_group_is_done_in_one_click_and_taken_back_in_one(pages: Pages) -> None:
    client, keys = pages.client("teacher-a"), [key_of(pages, number) for number in MEMBERS]
    form = {"group_id": GROUP, "kind": "small_group"}
    for _ in range(2):
        answer = submit(client, PAGE, f"{PAGE}/actions", **form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#groups")
    logged = [row for row in read_actions(pages.settings, keys) if row["kind"] == "small_group"]
    assert {(row["student_key"], row["competency_id"], row["role"]) for row in logged} == {
        (key, "comp-2", "teacher") for key in keys
    }
    assert len(logged) == 4, "a double click is one row for each"
    assert "logged for all 4 today" in part(client.get(PAGE).text, "groups")
    assert submit(client, PAGE, f"{PAGE}/actions", **form, take_back="yes").status_code == 303
    assert [row for row in read_actions(pages.settings, keys) if row["kind"] == "small_group"] == []
    assert "Done with the group" in part(client.get(PAGE).text, "groups")


@pytest.mark.parametrize(
    ("who", "address", "form", "status"),
    [
        ("teacher-a", "/schools/school-a/classes/school-a-class-2/actions", {"group_id": "school-a-group-1"}, 403),
        ("teacher-a", f"{PAGE}/actions", {"group_id": "school-a-group-1"}, 404),
        ("teacher-a", f"{PAGE}/actions", {"group_id": GROUP, "kind": "prayer"}, 422),
        ("leader-b", f"{PAGE}/actions", {"group_id": GROUP}, 403),
        ("central", f"{PAGE}/actions", {"group_id": GROUP}, 403),
        ("engineer", f"{PAGE}/actions", {"group_id": GROUP}, 403),
    ],
)
def test_what_cannot_be_logged_for_a_group(
    pages: Pages, who: str, address: str, form: dict[str, str], status: int
) -> None:
    tokens = {"teacher-a": "/classes", "leader-b": "/classes", "central": "/", "engineer": "/operations"}
    answer = submit(pages.client(who), tokens[who], address, **{"kind": "small_group"} | form)
    assert answer.status_code == status
    keys = [key_of(pages, number) for number in (*MEMBERS, 8, 10, 12, 14)]
    assert [row for row in read_actions(pages.settings, keys) if row["kind"] == "small_group"] == []


def test_a_groups_form_from_elsewhere_is_refused(pages: Pages) -> None:
    client = pages.client("teacher-a")
    assert client.post(f"{PAGE}/actions", data={"group_id": GROUP, "kind": "small_group"}).status_code == 403
    assert client.get(f"{PAGE}/actions").status_code == 405
    assert pages.anonymous().post(f"{PAGE}/actions", data={}).status_code == 303


def test_done_and_disagree_for_one_pupil_with_undo(pages: Pages) -> None:
    client, number = pages.client("teacher-a"), 18
    key = key_of(pages, number)
    student = f"/students/{key}"
    back = {"competency_id": "comp-1", "back": "school-a-class-1", "at": "needs-adult"}
    answer = submit(client, PAGE, f"{student}/actions", **back, kind="one_to_one")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#needs-adult")
    said = submit(client, PAGE, f"{student}/words", **back, said="mastered", reason="seen_in_class")
    assert (said.status_code, said.headers["location"]) == (303, f"{PAGE}#needs-adult")
    (word,) = read_judgements(pages.settings, [key])
    assert (word["said"], word["role"], word["school_id"]) == ("mastered", "teacher", "school-a")
    adult = part(client.get(PAGE).text, "needs-adult")
    assert "said by a teacher on" in adult and "One to one, " in adult and "Withdraw" in adult and "Undo" in adult
    assert "stuck" in adult, "the computed reason stands"
    assert submit(client, PAGE, f"{student}/words", **back, said="withdrawn").status_code == 303
    assert submit(client, PAGE, f"{student}/actions", **back, kind="one_to_one", take_back="yes").status_code == 303
    adult = part(client.get(PAGE).text, "needs-adult")
    assert "said by a teacher on" not in adult and "Undo" not in adult
    assert [row["said"] for row in read_judgements(pages.settings, [key])] == ["mastered", "withdrawn"]
    assert read_actions(pages.settings, [key]) == []
    other = submit(client, PAGE, f"{student}/actions", **back | {"back": "school-a-class-2"}, kind="reteach")
    assert other.headers["location"] == f"{student}#actions", "only to a class of the pupil's"
    submit(client, PAGE, f"{student}/actions", **back, kind="reteach", take_back="yes")


def test_a_teacher_opens_the_pupils_of_her_classes_alone(pages: Pages) -> None:
    client, own = pages.client("teacher-a"), key_of(pages, 2)
    before = len(list_disclosures(pages.settings))
    page = client.get(f"/students/{own}?on=comp-2")
    assert page.status_code == 200 and ' class="chosen"><th scope="row">' in page.text
    assert f'<a href="{PAGE}">Back to Grade 4, room 1</a>' in page.text and 'href="/schools/school-a"' not in page.text
    (told,) = list_disclosures(pages.settings)[before:]
    assert (told["actor"], told["role"], told["student_keys"]) == ("teacher-a", "teacher", [own])
    for other in (key_of(pages, 1), key_of(pages, 0, school=1), "p_nobody"):
        assert client.get(f"/students/{other}").status_code == 403
        form = {"competency_id": "comp-1", "kind": "reteach", "said": "mastered", "reason": "other"}
        for post in ("actions", "words"):
            assert submit(client, "/classes", f"/students/{other}/{post}", **form).status_code == 403


def test_what_another_school_said_of_a_pupil_stays_there(pages: Pages) -> None:
    """The word that stands is told, for it counts; why, the note and what was said before are the other school's."""
    key = key_of(pages, 20)
    word = Judgement(
        student_key=key,
        competency_id="comp-3",
        said="not_yet",
        said_date=SAID_DATE - timedelta(days=30),
        role="school_leader",
        source="page",
        reason="was_helped",
        note="Quagga at the window",
        school_id="school-b",
        account_id="of-school-b",
    )
    say(pages.settings, [word])
    for who in ("teacher-a", "leader-a"):
        text = pages.client(who).get(f"/students/{key}").text
        assert "said by a school leader on Sun 13 Sep: not yet" in text
        assert "Quagga" not in text and "Everything that was said" not in text
        (standing,) = re.findall(r'aria-label="Words that stand".*?</table>', text, re.S)
        assert "The answers were helped" not in standing


def test_the_print_has_the_lists_and_says_what_it_leaves_out(pages: Pages) -> None:
    text = pages.client("teacher-a").get(f"{PAGE}/print").text
    for heading in ("Groups for one period", "Everybody else, meanwhile", "Needs an adult", "Moves on", "Quick checks"):
        assert f">{heading}</h2>" in text
    assert '<form method="post" action="/students' not in text
