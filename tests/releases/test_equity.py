"""How pupils of each group do: groups that make up their school, and nothing told of few of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import duckdb
import pytest

from cairn.privacy_dates import publication_rules
from cairn.protection.audit import EARLIER, CellName, Earlier, Pair, audit
from cairn.protection.published import COUNT, EMPTY, NOTHING, Publication, PublishedCell, PublishedTable, as_json
from cairn.protection.rules import Rules
from cairn.protection.tables import Protected, RawTable, hide_alike, protect
from cairn.settings import Settings
from releases import publications, store
from releases.publication_equity import GROUPS, METRICS, SCHOOL_GROUPS, equity_tables
from releases.publication_tables import OVERVIEW, pairs_of

N_MIN = 10
# Pupils of each school who learn English, who do not, and of whom nothing is said.
SCHOOLS = {"s1": (4, 50, 6), "s2": (16, 44, 0), "s3": (20, 20, 20)}


def built(schools: Mapping[str, tuple[int, int, int]]) -> dict[str, RawTable]:
    """The tables of schools; every second pupil of a group has mastered half of her topics, every third needs an
    adult."""
    with duckdb.connect() as source:
        source.execute("create table mart_pupil_plan (school_id text, student_key text, subject text, grade text)")
        source.execute("create table mart_pupil_subgroup (student_key text, subgroup_kind text, subgroup text)")
        source.execute("create table mart_student_competency (student_key text, competency_id text, state text)")
        for mart in ("mart_needs_adult", "mart_moves_on"):
            source.execute(f"create table {mart} (school_id text, student_key text)")
        for school, sizes in schools.items():
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


@pytest.fixture(scope="module")
def tables() -> dict[str, RawTable]:
    """The tables of the three schools."""
    return built(SCHOOLS)


def published(tables: Mapping[str, RawTable]) -> tuple[list[PublishedTable], frozenset[CellName], list[Pair]]:
    """What is told of the tables, the numbers that nobody may work out, and which numbers are the same."""
    pairs = pairs_of({name: table.rows for name, table in tables.items()})
    done = hide_alike([protect(table, Rules(N_MIN, N_MIN)) for table in tables.values()], pairs)
    return [one.table for one in done], frozenset().union(*(one.sensitive for one in done)), pairs


def test_groups_make_up_their_school_and_schools_the_district(tables: dict[str, RawTable]) -> None:
    district, schools = tables[GROUPS].rows, tables[SCHOOL_GROUPS].rows
    assert district["english_learner", "yes"] == {"pupils": 40, "mastered_half": 20, "need_adult": 15, "moves_on": 0}
    assert {group: row["pupils"] for (name, group), row in district.items() if name == "english_learner"} == {
        "yes": 40,
        "no": 114,
        "not reported": 26,
        "*": 180,
    }
    assert schools["s1", "grade", "*"]["pupils"] == schools["s1", "grade", "4"]["pupils"] == 60
    assert {grouping for _, grouping, _ in schools} == {"grade"}, "the roster's groups are told of the district alone"
    for table in tables.values():
        for total, parts in table.totals.items():
            for metric in table.metrics:
                assert table.rows[total][metric.name] == sum(int(table.rows[part][metric.name] or 0) for part in parts)


def test_a_grouping_has_the_total_of_every_other(tables: dict[str, RawTable]) -> None:
    district = tables[GROUPS].rows
    assert district["grade", "*"] == district["english_learner", "*"]
    _, _, pairs = published(tables)
    alike = {(pair.whole.key, pair.part.key, pair.whole.metric) for pair in pairs if pair.whole.table == GROUPS}
    for metric in ("pupils", "mastered_half", "need_adult", "moves_on"):
        assert (("english_learner", "*"), ("grade", "*"), metric) in alike


def test_a_pupil_of_two_schools_and_grades_is_in_one_group_of_each_grouping_at_a_school() -> None:
    with duckdb.connect() as source:
        source.execute(
            "create table mart_pupil_plan as select * from (values ('s1', 'p1', '4'), ('s2', 'p1', '5'),"
            " ('s2', 'p2', '5')) as t(school_id, student_key, grade)"
        )
        source.execute(
            "create table mart_pupil_subgroup as select * from (values ('p1', 'sex', 'female'), ('p1', 'sex', 'male'))"
            " as t(student_key, subgroup_kind, subgroup)"
        )
        source.execute("create table mart_student_competency (student_key text, state text)")
        for mart in ("mart_needs_adult", "mart_moves_on"):
            source.execute(f"create table {mart} (school_id text, student_key text)")
        district = equity_tables(source)[0].rows
    pupils = {key: row["pupils"] for key, row in district.items()}
    assert pupils == {
        ("grade", "4"): 1,
        ("grade", "5"): 2,
        ("grade", "*"): 3,
        ("sex", "female"): 2,
        ("sex", "not reported"): 1,
        ("sex", "*"): 3,
    }


def test_no_few_pupils_of_the_districts_groups_are_told(settings: Settings) -> None:
    """The groupings share their totals: what one of them leaves open of few pupils the others do not give back, or it
    is left out. Nothing of it blocks the publication."""
    for schools in ({"s1": (4, 50, 0), "s2": (3, 44, 2)}, {"s1": (97, 102, 5)}):
        told = built(schools)
        parts = [protect(table, Rules(N_MIN, N_MIN)) for table in told.values()]
        parts = hide_alike(parts, pairs_of({name: table.rows for name, table in told.items()}))
        assert publications._audited(settings, "learning", publication_rules(settings), parts)[1] == []


@pytest.mark.parametrize("sizes", [(38, 39), (39, 40), (40, 44)])
def test_a_pupil_more_in_a_school_is_not_told_and_blocks_nothing(sizes: tuple[int, int]) -> None:
    """The reviewer's two days: a school of 39 pupils, then of 40."""
    first, second = (published(built({"s1": (0, size, 0), "s2": (16, 44, 0)})) for size in sizes)
    earlier = Earlier("monday", {table.name: table for table in first[0]}, first[2])
    assert audit(second[0], N_MIN, second[1], second[2], [earlier]) == []


def test_a_release_without_groups_has_grades(tables: dict[str, RawTable]) -> None:
    with duckdb.connect() as source:
        source.execute("create table mart_pupil_plan as select 's1' as school_id, 'p1' as student_key, '4' as grade")
        source.execute("create table mart_student_competency (student_key text, state text)")
        for mart in ("mart_needs_adult", "mart_moves_on"):
            source.execute(f"create table {mart} (school_id text, student_key text)")
        assert set(equity_tables(source)[0].rows) == {("grade", "4"), ("grade", "*")}


def test_what_the_overview_and_a_grouping_tell_together_is_left_out_and_the_rest_published(settings: Settings) -> None:
    """40 of a group, and 44 pupils in all on another page: four of the other group."""
    told = {("g", "a"): count(40), ("g", "b"): PublishedCell("under 10", COUNT, None, 0, 9), ("g", "*"): EMPTY}
    names = [metric.name for metric in METRICS]
    cells = {key: dict.fromkeys(names, EMPTY) | {"pupils": cell} for key, cell in told.items()}
    totals = {("g", "*"): [("g", "a"), ("g", "b")]}
    groups = PublishedTable(GROUPS, ("grouping_name", "group_name"), tuple(names), cells, {}, totals)
    everybody = {("*",): dict.fromkeys(names, EMPTY) | {"pupils": count(44)}}
    overview = PublishedTable(OVERVIEW, ("school_id",), tuple(names), everybody)
    parts = [
        Protected(groups, frozenset({CellName(GROUPS, ("g", "b"), "pupils")}), 0),
        Protected(overview, frozenset(), 0),
    ]
    done, failures = publications._audited(settings, "learning", publication_rules(settings), parts)
    assert failures == [] and sum(part.suppressed for part in done) >= 1


def overview_and_groups(everybody: PublishedCell, total: PublishedCell) -> list[PublishedTable]:
    """All pupils of the district, on the overview and as the total of a grouping."""
    names = [metric.name for metric in METRICS]
    row = dict.fromkeys(names, EMPTY)
    overview = PublishedTable(OVERVIEW, ("school_id",), tuple(names), {("*",): row | {"pupils": everybody}})
    of_groups = {("g", "*"): row | {"pupils": total}}
    return [overview, PublishedTable(GROUPS, ("grouping_name", "group_name"), tuple(names), of_groups)]


def test_what_tells_of_few_beside_an_earlier_day_is_left_out_and_the_rest_published(settings: Settings) -> None:
    """Last week 55 to 64 on one page and 61 to 70 on the other: 61 to 64. Today 66 to 69: from two to eight came."""
    day = date(2026, 11, 16)
    before = overview_and_groups(PublishedCell("60", COUNT, 60, 55, 64), PublishedCell("61 to 70", COUNT, None, 61, 70))
    tables = {table.name: table for table in before}
    kept = Publication("last-week", "learning", day, "r-1", datetime(2026, 11, 16, tzinfo=UTC), N_MIN, tables)
    folder = store.private_folder(publications.kind_dir(settings, "learning"))
    store.write_json(folder / "publication-learning-last-week.json", as_json(kept))
    other = PublishedTable("other", ("row",), ("pupils",), {("a",): {"pupils": count(44)}})
    today = [*overview_and_groups(PublishedCell("66 to 69", COUNT, None, 66, 69), EMPTY), other]
    parts = [Protected(table, frozenset(), 0) for table in today]
    rules = publication_rules(settings)
    found = publications._failures(settings, "learning", rules, parts)
    assert {str(one.cell) for one in found} == {"school_overview * pupils", "mastery_group g/* pupils"}
    assert {one.attack for one in found} == {EARLIER}
    done, failures = publications._audited(settings, "learning", rules, parts)
    told = {part.table.name: part.table for part in done}
    assert failures == [] and told[OVERVIEW].rows["*",]["pupils"].text == NOTHING
    assert told["other"].rows["a",]["pupils"].text == "44", "what tells nobody's coming stands"


def count(number: int) -> PublishedCell:
    """An exact number."""
    return PublishedCell(str(number), COUNT, number, number, number)
