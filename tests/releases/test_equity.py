"""How pupils of each group do: groups that make up their school, and nothing of few pupils by school and group."""

from __future__ import annotations

import duckdb
import pytest

from cairn.protection.audit import audit
from cairn.protection.rules import Rules
from cairn.protection.tables import RawTable, hide_alike, protect
from releases.publication_equity import GROUPS, SCHOOL_GROUPS, SCHOOL_SUBGROUPS, equity_tables
from releases.publication_tables import pairs_of

N_MIN = 10
# Pupils of each school who learn English, who do not, and of whom nothing is said.
SCHOOLS = {"s1": (4, 50, 6), "s2": (16, 44, 0), "s3": (20, 20, 20)}


@pytest.fixture(scope="module")
def tables() -> dict[str, RawTable]:
    """The tables of three schools; every second pupil of a group has mastered half of her topics, every third needs an
    adult."""
    with duckdb.connect() as source:
        source.execute("create table mart_pupil_plan (school_id text, student_key text, subject text, grade text)")
        source.execute("create table mart_pupil_subgroup (student_key text, subgroup_kind text, subgroup text)")
        source.execute("create table mart_student_competency (student_key text, competency_id text, state text)")
        for mart in ("mart_needs_adult", "mart_moves_on"):
            source.execute(f"create table {mart} (school_id text, student_key text)")
        for school, sizes in SCHOOLS.items():
            for group, size in zip(("yes", "no", "not reported"), sizes, strict=True):
                for number in range(size):
                    key = f"{school}-{group}-{number}"
                    # Two subjects, one pupil.
                    for subject in ("math", "reading"):
                        source.execute("insert into mart_pupil_plan values (?, ?, ?, '4')", [school, key, subject])
                    source.execute("insert into mart_pupil_subgroup values (?, 'english_learner', ?)", [key, group])
                    states = (
                        ("mastered", "developing") if number % 2 == 0 else ("review_due", "developing", "developing")
                    )
                    for place, state in enumerate((*states, "not_enough_evidence")):
                        source.execute("insert into mart_student_competency values (?, ?, ?)", [key, str(place), state])
                    if number % 3 == 0:
                        source.execute("insert into mart_needs_adult values (?, ?), (?, ?)", [school, key] * 2)
        return {table.name: table for table in equity_tables(source)}


def test_groups_make_up_their_school_and_schools_the_district(tables: dict[str, RawTable]) -> None:
    district, schools = tables[GROUPS].rows, tables[SCHOOL_SUBGROUPS].rows
    assert district["english_learner", "yes"] == {"pupils": 40, "mastered_half": 20, "need_adult": 15, "moves_on": 0}
    assert {group: row["pupils"] for (name, group), row in district.items() if name == "english_learner"} == {
        "yes": 40,
        "no": 114,
        "not reported": 26,
        "*": 180,
    }
    assert (
        schools["s1", "english_learner", "*"]["pupils"]
        == tables[SCHOOL_GROUPS].rows["s1", "grade", "4"]["pupils"]
        == 60
    )
    assert schools["s2", "english_learner", "not reported"]["pupils"] == 0, "no row would say that there is nobody"
    for table in tables.values():
        for total, parts in table.totals.items():
            for metric in table.metrics:
                assert table.rows[total][metric.name] == sum(int(table.rows[part][metric.name] or 0) for part in parts)


def test_four_english_learners_of_a_school_cannot_be_counted_out(tables: dict[str, RawTable]) -> None:
    pairs = pairs_of({name: table.rows for name, table in tables.items()})
    done = hide_alike([protect(table, Rules(N_MIN, N_MIN)) for table in tables.values()], pairs)
    published = {one.table.name: one.table for one in done}
    assert audit(list(published.values()), N_MIN, frozenset().union(*(one.sensitive for one in done)), pairs) == []
    assert published[GROUPS].text("mastered_half", "english_learner", "no") == "50 %"
    told = published[SCHOOL_SUBGROUPS]
    texts = [told.text("pupils", "s1", "english_learner", group) for group in ("yes", "no", "not reported", "*")]
    assert texts == ["under 40", "40 or more", "under 40", "40 or more"]
    assert told.text("mastered_half", "s1", "english_learner", "no") == "60 %", "25 of 50, in fifths"
    assert told.text("mastered_half", "s1", "english_learner", "yes") == "–"


def test_a_release_without_groups_has_grades(tables: dict[str, RawTable]) -> None:
    with duckdb.connect() as source:
        source.execute("create table mart_pupil_plan as select 's1' as school_id, 'p1' as student_key, '4' as grade")
        source.execute("create table mart_student_competency (student_key text, state text)")
        for mart in ("mart_needs_adult", "mart_moves_on"):
            source.execute(f"create table {mart} (school_id text, student_key text)")
        assert set(equity_tables(source)[0].rows) == {("grade", "4"), ("grade", "*")}
