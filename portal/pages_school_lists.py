"""What a school's page counts, each list on a page of its own; and the five answers class by class, to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.school_lists import ListRow, school_list
from answers.words_now import actions_now, words_now
from cairn.language import gettext
from portal.pages_school import names_on, open_school, shared_context
from portal.web import guarded, render

ROWS_A_PAGE = 50
# What each class's printed page has, and how many rows of each fit on it; the rest is counted.
ON_PAPER = (("needs-adult", 8), ("moves-on", 8), ("quick-checks", 8), ("groups", 4), ("changes", 8))


@dataclass(frozen=True)
class Pages:
    """Which page of how many; the addresses of the others keep how the list was narrowed."""

    number: int
    last: int
    narrowed: dict[str, str]

    def address(self, number: int) -> str:
        """Where another page is."""
        return "?" + urlencode(self.narrowed | {"page": number})


def page_of(request: Request, rows: tuple[ListRow, ...], narrowed: dict[str, str]) -> tuple[tuple[ListRow, ...], Pages]:
    """The rows of the page that is asked for. Raises HTTPException 404 for one that there is not."""
    last = max(1, -(-len(rows) // ROWS_A_PAGE))
    asked = request.query_params.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    if not 1 <= number <= last:
        raise HTTPException(404, "This list has no such page.")
    return rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE], Pages(number, last, narrowed)


@guarded("school_leader")
def list_page(request: Request, account: Account) -> Response:
    """One list, narrowed by class (``?class=``) or kind (``?kind=``), fifty rows a page."""
    school = open_school(request, account)
    name = request.url.path.rsplit("/", 1)[1]
    kind, class_id = (request.query_params.get(key, "") for key in ("kind", "class"))
    try:
        found = school_list(school.make, name, kind)
    except KeyError as error:
        raise HTTPException(404, "This list cannot be narrowed that way.") from error
    classes = {row["class_id"]: row["class_title"] for row in school.view.classes}
    if class_id and class_id not in classes:
        raise HTTPException(404, "This school has no such class.")
    rows = found.of_class(class_id) if class_id else found.rows
    narrowed = {key: value for key, value in (("kind", kind), ("class", class_id)) if value}
    shown, pages = page_of(request, rows, narrowed)
    keys = {key for row in shown for key in row.student_keys}
    settings = school.portal.settings
    context = shared_context(school) | {
        "title": f"{found.title}, {school.view.school['school_name']}",
        "found": found,
        "rows": shown,
        "count": len(rows),
        "pages": pages,
        "class_id": class_id,
        "classes": dict(sorted(classes.items(), key=lambda one: str(one[1]))),
        "names": names_on(school, account, keys, f"/schools/{{school_id}}/{name}", f"school list {name}"),
        "now": words_now(settings, keys),
        "actions": actions_now(settings, keys, school.view.followups, school.view.data_date) if found.can_log else [],
        "words_of": school.make.words,
    }
    return render(request, "school_list.html", context, pinned=school.pinned)


@guarded("school_leader")
def by_class_page(request: Request, account: Account) -> Response:
    """The answers class by class, one printed page each."""
    school = open_school(request, account)
    kinds = {"needs-adult": "first"}
    lists = [(school_list(school.make, name, kinds.get(name, "")), most) for name, most in ON_PAPER]
    titles = {row["class_id"]: row["class_title"] for row in school.view.classes}
    classes: list[dict[str, Any]] = [
        {
            "class_id": class_id,
            "class_title": title,
            "parts": [
                {"found": found, "rows": rows[:most], "count": len(rows)}
                for found, most in lists
                for rows in (found.of_class(class_id),)
            ],
        }
        for class_id, title in sorted(titles.items(), key=lambda one: str(one[1]))
    ]
    keys = {key for one in classes for part in one["parts"] for row in part["rows"] for key in row.student_keys}
    context = shared_context(school) | {
        "title": gettext("By class, {school}").format(school=school.view.school["school_name"]),
        "classes": classes,
        "names": names_on(school, account, keys, "/schools/{school_id}/by-class", "school by class"),
    }
    return render(request, "school_classes.html", context, pinned=school.pinned)
