"""Numbers of pupils in the CSV files beside the pages' tables: totals are in them that no page prints."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping

from tests.attack.page_cells import EVERYBODY, Cell, cell_of, rounded

# By table: what its columns count, in the words of the pages. Means and costs count nobody.
SCHOOLS = {"pupils": "enrolled", "need_adult": "need an adult", "moves_on": "move on"}
ROLLOUT = {"pupils_planned": "planned", "pupils_reached": "reached", "dosage_met": "had the time"}
GROUPS = SCHOOLS | {"mastered_half": "half mastered"}
TABLES: Mapping[str, Mapping[str, str]] = {
    "school_overview": SCHOOLS,
    "competency": {"pupils": "plan holds it", "mastered": "mastered", "review_due": "review due"},
    "mastery_group": GROUPS,
    "mastery_school_group": GROUPS,
    "rollout_school": ROLLOUT,
    "rollout_group": ROLLOUT,
    "pilot_school": {"pupils": "planned", "both_tests": "analysed"},
}
ALL = "*"


def links_of(html: str) -> list[str]:
    """The CSV files that a page links to, as its links are written."""
    return re.findall(r'href="(/published/[^"]+\.csv[^"]*)"', html)


def csv_cells(path: str, text: str, titles: Mapping[str, str], rounded_to: int) -> Iterator[Cell]:
    """The cells of a CSV file; ``titles`` are those of pilots by id, ``rounded_to`` what its page says.

    Raises KeyError for a file that this does not know: a new table is to be attacked as well.
    """
    table = re.sub(r".*/(\w+)\.csv.*", r"\1", path)
    known = TABLES[table]
    for row in csv.DictReader(io.StringIO(text)):
        place = row.get("school_id", ALL)
        school = EVERYBODY if place == ALL else row.get("school_name") or place
        scope, kind, name = titles.get(row.get("pilot_id", ""), "district"), "school", school
        if place == ALL:
            kind = "all"
        elif place.startswith(ALL):  # an arm's total
            # A sum of schools of which the file does not say which: compared with nothing.
            scope, kind, name = f"{scope}, arms", "all", place
        if table == "pilot_school":
            # Everybody is both arms here, and those of the treatment on the pages.
            scope = f"{scope}, as assigned"
        if "group_name" in row:
            grouping, group = row["grouping_name"], row["group_name"]
            scope = f"{scope}, {school} by {grouping}"
            kind, name = ("all", EVERYBODY) if group == ALL else (f"group by {grouping}", group)
        elif table == "competency":
            kind, name = "competency", row["competency_id"]
        for column, metric in known.items():
            if column in row:
                yield rounded(cell_of(path, scope, kind, name, metric, row[column]), rounded_to)
