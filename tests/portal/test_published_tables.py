"""Equity by group as a page, and every published table as CSV beside it: the same texts, to those who may read them."""

from __future__ import annotations

import csv
import io

import pytest

from cairn.protection.published import PublishedCell, PublishedTable
from portal.pages_published import as_csv
from releases.publications import read_publication
from tests.attack.page_cells import Reader
from tests.portal.conftest import Pages

LINKED = {
    "/": {"school_overview", "competency", "rollout_group"},
    "/rollout": {"rollout_school", "rollout_group"},
    "/equity": {"mastery_group", "mastery_school_group", "mastery_school_subgroup"},
    "/pilots/pilot-fractions": {"pilot_school"},
}


@pytest.mark.parametrize("page", LINKED)
def test_each_page_links_to_its_tables_and_they_say_what_is_published(pages: Pages, page: str) -> None:
    client = pages.client("central")
    html = client.get(page).text
    linked = {name for name in set().union(*LINKED.values()) if f'href="/published/{name}.csv"' in html}
    assert linked == LINKED[page]
    told = read_publication(pages.settings)
    assert told is not None
    for name in linked:
        answer = client.get(f"/published/{name}.csv?as-of=2026-10-14")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
        assert f"{name}-2026-10-14.csv" in answer.headers["content-disposition"]
        table, rows = told.table(name), list(csv.DictReader(io.StringIO(answer.text)))
        keys = [tuple(row[dimension] for dimension in table.dimensions) for row in rows]
        assert keys == list(table.rows) and {row["publication_date"] for row in rows} == {"2026-10-14"}
        for key, row in zip(keys, rows, strict=True):
            assert {metric: row[metric] for metric in table.metrics} == {
                metric: cell.text for metric, cell in table.rows[key].items()
            }


def test_equity_of_the_district_and_of_a_school(pages: Pages) -> None:
    client = pages.client("central")
    tables = Reader(client.get("/equity").text).whole_tables()
    table = next(one for one in tables if one.heading == "Grade")
    assert table.heads == ["Group", "Pupils", "Half mastered", "Need an adult", "Move on"]
    assert [row[:2] for row in table.rows] == [["4", "100"], ["All pupils", "100"]]
    learners = next(one for one in tables if one.heading == "English learner")
    assert [row[:2] for row in learners.rows] == [["No", "80"], ["Yes", "10"], ["All pupils", "100"]]
    races = next(one for one in tables if one.heading == "Race or ethnicity")
    assert [row[0] for row in races.rows] == ["Hispanic or Latino", "Not reported", "White", "All pupils"]
    assert "not yet, because" not in client.get("/equity").text
    of_school = Reader(client.get("/equity?school=school-a").text).whole_tables()[-1]
    # The others are alike.
    of_school.rows[:] = [row for row in of_school.rows if row[1] in ("Grade", "English learner")]
    assert of_school.heading == "At Aspen Grove Elementary"
    assert [row[:3] for row in of_school.rows] == [
        ["4", "Grade", "30"],
        ["All pupils", "Grade", "30"],
        ["No", "English learner", "under 40"],
        ["Yes", "English learner", "under 40"],
        ["All pupils", "English learner", "under 40"],
    ]
    assert client.get("/equity?school=nowhere").status_code == 404
    assert "not yet" in client.get("/equity?as-of=2026-01-01").text.lower()


def test_no_table_without_a_publication_and_none_for_a_leader(pages: Pages) -> None:
    client = pages.client("central")
    assert client.get("/published/no_such.csv").status_code == 404
    assert client.get("/published/competency.csv?as-of=2026-01-01").status_code == 404, "nothing was published then"
    for path in ("/equity", "/published/competency.csv"):
        assert pages.client("leader-a").get(path).status_code == 403


def test_no_cell_of_a_table_is_a_formula() -> None:
    table = PublishedTable("t", ("group_name",), ("pupils",), {("=1+1",): {"pupils": PublishedCell("60")}})
    assert as_csv(table, "2026-10-14", {}).splitlines()[1] == "2026-10-14,'=1+1,60"
