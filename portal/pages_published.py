"""Published tables as they are: equity by group of pupils as a page, and every table beside it as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.published_numbers import ALL, PUPIL_GROUPS, SCHOOL_PUPIL_GROUPS, Numbers, text
from cairn.language import gettext
from cairn.protection.published import PublishedTable
from portal.as_of import asked_day, numbers_of
from portal.web import guarded, portal_of, render

READERS = ("central_office", "engineer")
SCHOOLS = "select school_id, school_name from mart_school order by school_name, school_id"
# A spreadsheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@guarded(*READERS)
def equity_page(request: Request, account: Account) -> Response:
    """How pupils of each group do, in the district and at a school (``?school=``), as published."""
    portal, numbers = portal_of(request), numbers_of(request)
    pinned = portal.reader.pin()
    schools = names_of(pinned.learning.rows(SCHOOLS)) if pinned.learning else {}
    asked = request.query_params.get("school")
    if asked is not None and asked not in schools:
        raise HTTPException(404, "The current release has no such school.")
    context = {
        "title": gettext("Equity"),
        "numbers": numbers,
        "asked_day": asked_day(request),
        "text": text,
        "groupings": by_grouping(numbers),
        "schools": schools,
        "school": asked,
        "of_school": by_grouping(numbers, asked) if asked else {},
    }
    return render(request, "equity.html", context, pinned=pinned)


def names_of(schools: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Schools' names by id."""
    return {row["school_id"]: row["school_name"] for row in schools}


def by_grouping(numbers: Numbers, school_id: str | None = None) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """By grouping (group, row) of the district or a school, all pupils last."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for key, row in numbers.table(SCHOOL_PUPIL_GROUPS if school_id else PUPIL_GROUPS).rows.items():
        if school_id is None or key[0] == school_id:
            found.setdefault(key[-2], []).append((key[-1], row))
    for rows in found.values():
        rows.sort(key=lambda one: (one[0] == ALL, one[0]))
    return found


@guarded(*READERS)
def published_csv(request: Request, account: Account) -> Response:
    """A published table as CSV: the same texts as on its page, with the day of which they are."""
    numbers, name = numbers_of(request), request.path_params["table"]
    found = numbers.publication
    if found is None or name not in found.tables:
        raise HTTPException(404, "No such table is published: the pages that have one link to it.")
    pinned = portal_of(request).reader.pin()
    schools = names_of(pinned.learning.rows(SCHOOLS)) if pinned.learning else {}
    day = found.standing[name][-len("2026-11-23") :]  # a publication is named by its kind and day
    return Response(
        as_csv(found.table(name), day, schools),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{day}.csv"'},
    )


def as_csv(table: PublishedTable, day: str, schools: Mapping[str, str]) -> str:
    """A table's rows: the day of publication, what each row is of (a school by its name too), and its texts."""
    has_school = "school_id" in table.dimensions
    out = io.StringIO()
    writer = csv.writer(out)
    named = ("school_name",) if has_school else ()
    writer.writerow(("publication_date", *table.dimensions, *named, *table.metrics))
    for key, row in table.rows.items():
        school = schools.get(dict(zip(table.dimensions, key, strict=True)).get("school_id", ""), "")
        cells = [day, *key, *([school] if has_school else ()), *(row[metric].text for metric in table.metrics)]
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])
    return out.getvalue()
