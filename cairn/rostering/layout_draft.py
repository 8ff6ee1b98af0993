"""A first layout of a vendor's file of results, guessed from its header and from what its columns hold.

It is a draft for a person to read: what is guessed stands in the file with a comment, what is not read is listed.
Nothing of a person is written into it: column names, formats, and the short words that score columns hold in place of
numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cairn.errors import CairnError
from cairn.rostering.layouts import Layout, parse_layout
from cairn.rostering.tabular import CellError, Table, parse_date, parse_number, read_table_file

# Names as :func:`_plain` has them, the likeliest first.
STUDENT = (
    *("studentsourcedid", "studentid", "studentidentifier", "studentlocalid", "localid", "studentprimaryid"),
    *("localstudentid", "districtstudentid", "sisid", "studentnumber"),
)
SUBJECT = ("subject", "contentarea", "testsubject", "domain", "testname", "assessmentname", "assessment")
OVERALL = (
    *("testritscore", "overallscalescore", "scaledscore", "scalescore", "unifiedscore", "compositescore", "totalscore"),
    *("overallscore", "score"),
)
PERCENTILE = ("testpercentile", "percentilerank", "nationalpercentile", "percentile")
STANDARD_ERROR = ("teststandarderror", "standarderrorofmeasurement", "standarderror", "sem")
TEST_ID = ("testid", "assessmentid", "testeventid", "testsessionid", "administrationid")
WINDOWS = {"^fall|^autumn|^boy|beginning": "fall", "^winter|^moy|middle": "winter", "^spring|^eoy|end": "spring"}
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")
NOT_THE_TEST = ("birth", "dob", "enroll", "window", "schoolyear", "sync", "lastmodified")
# A column of which so many cells are numbers holds numbers, and short words beside them.
NUMBERS_FROM = 0.5
LONGEST_MISSING = 3
ROWS_LOOKED_AT = 2_000


@dataclass(frozen=True)
class Draft:
    """``text``: the YAML; ``unknown_columns``: those it does not read; ``undecided``: what a person must still say."""

    text: str
    layout: Layout
    unknown_columns: list[str]
    undecided: list[str]


def draft_layout(path: Path, name: str) -> Draft:
    """A layout for the file at ``path``. Raises CairnError where no column can be the pupil's or the score."""
    table = read_table_file(path)
    columns = {column: [row.get(column) for row in table.rows[:ROWS_LOOKED_AT]] for column in table.header}
    numeric = [column for column, cells in columns.items() if _is_numeric(cells)]
    student, overall = _named(table.header, STUDENT), _named(numeric, OVERALL) or _last_word(numeric, "score")
    for what, found in (("the pupil's identifier", student), ("a score", overall)):
        if not found:
            raise CairnError(
                f"{table.name}:1: no column looks like {what}: write the layout by hand (layouts/README.md)"
            )
    assert student and overall
    undecided: list[str] = []
    fields = _fields(table, columns, student, undecided)
    measures = _measures(numeric, overall)
    test_id = _named(table.header, TEST_ID)
    day = fields["taken_date"].get("column")
    content: dict[str, Any] = {
        "kind": "assessments",
        "title": name,
        "identifier": "sourcedId",
        "missing": _missing(columns[column] for column in numeric),
        "fields": fields,
        "measures": measures,
        "key": [column for column in (test_id, day) if column],
    }
    layout = parse_layout(content, Path(f"{name}.yaml"))
    unknown = table.unknown(layout.columns())
    return Draft(_written(content, unknown, undecided), layout, unknown, undecided)


def _fields(
    table: Table, columns: dict[str, list[str]], student: str, undecided: list[str]
) -> dict[str, dict[str, Any]]:
    """Fields of the target; what no column gives is a fixed value that a person must put right."""
    fields: dict[str, dict[str, Any]] = {"student": {"column": student, "required": True}}
    fields["assessment"] = {"value": "name of the assessment"}
    undecided.append("fields.assessment: the name of the assessment")
    subject = _named(table.header, SUBJECT)
    fields["subject"] = {"column": subject, "required": True} if subject else {"value": "subject"}
    if not subject:
        undecided.append("fields.subject: the subject")
    window = _first(columns, _is_window)
    fields["window_name"] = (
        {"column": window, "required": True, "patterns": WINDOWS, "otherwise": "other"}
        if window
        else {"value": "other"}
    )
    if not window:
        undecided.append("fields.window_name: fall, winter, spring or other")
    day, formats = _day(columns)
    fields["taken_date"] = {"column": day, "required": True, "formats": formats[:1]} if day else {}
    if not day:
        undecided.append("fields.taken_date: the day on which it was taken")
    elif len(formats) > 1:
        undecided.append(f"fields.taken_date: every cell could be of {' or '.join(formats)}; the first is written")
    return fields


def _measures(numeric: list[str], overall: str) -> list[dict[str, Any]]:
    """The overall score with what stands beside it, then every other score as an optional strand."""
    first: dict[str, Any] = {"measure": "overall", "scale_score": {"column": overall, "required": True}}
    for key, names in (("standard_error", STANDARD_ERROR), ("percentile", PERCENTILE)):
        if found := _named(numeric, names):
            first[key] = found
    others = [column for column in numeric if _plain(column).endswith("score") and column != overall]
    return [first, *({"measure": _strand(column), "scale_score": column, "optional": True} for column in others)]


def _strand(column: str) -> str:
    return re.sub(r"[\s_-]*(scaled?\s*)?score$", "", column, flags=re.IGNORECASE) or column


def _plain(column: str) -> str:
    """A column's name without case, blanks and signs."""
    return re.sub(r"[^a-z0-9]", "", column.lower())


def _named(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The column of the likeliest of the names."""
    plain = {_plain(column): column for column in reversed(list(columns))}
    return next((plain[name] for name in names if name in plain), None)


def _last_word(columns: Iterable[str], word: str) -> str | None:
    return next((column for column in columns if _plain(column).endswith(word)), None)


def _first(columns: dict[str, list[str]], fits: Callable[[str, list[str]], bool]) -> str | None:
    return next((column for column, cells in columns.items() if fits(column, [cell for cell in cells if cell])), None)


def _is_numeric(cells: list[str]) -> bool:
    """Whether most cells are numbers, and the others short words."""
    told = [cell for cell in cells if cell]
    numbers = sum(_number(cell) for cell in told)
    others = [cell for cell in told if not _number(cell)]
    return numbers > NUMBERS_FROM * len(told) and all(len(cell) <= LONGEST_MISSING for cell in others)


def _number(cell: str) -> bool:
    try:
        parse_number(cell, "")
    except CellError:
        return False
    return True


def _missing(columns: Iterable[list[str]]) -> list[str]:
    return sorted({cell for cells in columns for cell in cells if cell and not _number(cell)})


def _is_window(column: str, told: list[str]) -> bool:
    is_named = any(word in _plain(column) for word in ("window", "term", "period", "season"))
    return is_named and any(re.search(pattern, cell, re.IGNORECASE) for cell in told for pattern in WINDOWS)


def _day(columns: dict[str, list[str]]) -> tuple[str | None, list[str]]:
    """The column of the day and the formats that every cell is of; a local day first, then that of completion."""
    found: list[tuple[int, int, str, list[str]]] = []
    for place, (column, cells) in enumerate(columns.items()):
        plain, told = _plain(column), [cell for cell in cells if cell]
        if "date" not in plain or any(word in plain for word in NOT_THE_TEST) or not told:
            continue
        formats = [form for form in DATE_FORMATS if all(_is_date(cell, form) for cell in told)]
        if formats:
            rank = next((rank for rank, word in enumerate(("local", "complet", "taken", "test")) if word in plain), 4)
            found.append((rank, place, column, formats))
    if not found:
        return None, []
    _, _, column, formats = min(found)
    return column, formats


def _is_date(cell: str, form: str) -> bool:
    try:
        return parse_date(cell, "", (form,)) is not None
    except CellError:
        return False


def _written(content: dict[str, Any], unknown: list[str], undecided: list[str]) -> str:
    """The YAML with what is left to decide above it and the columns that are not read below."""
    head = ["# A draft by 'cairn assessments layout draft': read it line by line before you load anything with it."]
    head += [f"# To decide: {one}" for one in undecided]
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    tail = ["# Not read. Move what you have looked at into the list 'ignored'; the rest is reported at every load."]
    return (
        "\n".join([*head, body.rstrip(), *([*tail, *(f"#   - {column}" for column in unknown)] if unknown else [])])
        + "\n"
    )
