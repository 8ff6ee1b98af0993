"""What a reader of the central office's pages can copy into a spreadsheet: every cell that counts pupils, with what it
says of the number.

It knows the pages by their headings alone, as a reader does: a heading that it does not know is no cell, so that
``tests/attack/test_derive.py`` counts the cells of each page as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from math import ceil, floor, inf

# What a column or a figure says: (metric, what it is a share of; None for a count).
SCHOOLS = {
    "Pupils": ("enrolled", None),
    "Need an adult": ("need an adult", None),
    "Move on": ("move on", None),
    "Need an adult, share": ("need an adult", "enrolled"),
    "Move on, share": ("move on", "enrolled"),
}
ROLLOUT = {
    "of planned": ("planned", None),
    "Pupils planned": ("planned", None),
    "Pupils reached": ("reached", None),
    "Reached": ("reached", None),
    "Reached, share": ("reached", "planned"),
    "Planned pupils reached": ("reached", "planned"),
    "Planned time met": ("had the time", "planned"),
    "Pupils with the planned time": ("had the time", "planned"),
    "Pupils with the planned time so far": ("had the time", "planned"),
}
PILOT = ROLLOUT | {"Pupils": ("analysed", None)}
COMPETENCIES = {
    "Pupils whose plan holds it": ("plan holds it", None),
    "Mastered, %": ("mastered", "plan holds it"),
    "Mastered": ("mastered", "plan holds it"),
    "Review due, %": ("review due", "plan holds it"),
    "Review due": ("review due", "plan holds it"),
}
KINDS = {"Pupils": ("acted on", None), "Compared": ("compared", None)}
# Shares of which the parts are pupils of a whole: the rest of them is a number of pupils as well.
PART_OF = {
    "need an adult": "enrolled",
    "move on": "enrolled",
    "reached": "planned",
    "had the time": "planned",
    "analysed": "planned",
    "mastered": "plan holds it",
    "review due": "plan holds it",
    "compared": "acted on",
}
NUMBER = r"(\d{1,3}(?:,\d{3})+|\d+)"
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Cell:
    """A number of pupils as a page says it: between ``low`` and ``high``, of a place (pilot or district, group)."""

    page: str
    scope: str
    kind: str
    name: str
    metric: str
    low: float
    high: float
    whole: str | None
    text: str


def bounds(text: str) -> tuple[float, float] | None:
    """What a printed count says: (least, most), the same where it is exact; None where it says nothing."""
    text = text.strip().replace("≥", "at least ").replace("≤", "at most ").replace("  ", " ")
    if found := re.fullmatch(NUMBER, text):
        value = float(found[1].replace(",", ""))
        return value, value
    if found := re.fullmatch(rf"(?:about|around|~) ?{NUMBER}", text):
        # Whatever the step of rounding is, nobody who reads it knows more than half of ten on both sides.
        value = float(found[1].replace(",", ""))
        return max(0.0, value - 5), value + 5
    if found := re.fullmatch(rf"{NUMBER} ?(?:to|–|-) ?{NUMBER}", text):
        low, high = (float(one.replace(",", "")) for one in found.groups())
        return low, high
    if found := re.fullmatch(rf"(?:under|fewer than|<) ?{NUMBER}(?: pupils)?", text):
        return 0.0, float(found[1].replace(",", "")) - 1
    if found := re.fullmatch(rf"at most {NUMBER}", text):
        return 0.0, float(found[1].replace(",", ""))
    if found := re.fullmatch(rf"(?:at least {NUMBER}|{NUMBER} or more)", text):
        return float((found[1] or found[2]).replace(",", "")), inf
    return None


def share_bounds(text: str) -> tuple[float, float] | None:
    """What a printed percentage says of the share: whole ones are half a point around, coded ones one side; else None.

    The half point is the reader's: a percentage of one decimal is read as one.
    """
    text = text.strip().replace("≥", ">=").replace("≤", "<=")
    found = re.fullmatch(r"(<=|>=|at most |at least |under |over )? ?(\d+(?:\.\d+)?) ?%?(?: or (less|more))?", text)
    if found is None:
        ranged = re.fullmatch(r"(\d+)(?: ?%)? ?(?:to|–|-) ?(\d+) ?%?", text)
        return None if ranged is None else (float(ranged[1]) / 100, float(ranged[2]) / 100)
    value = float(found[2])
    half = 0.5 if "." not in found[2] else 0.5 * 10 ** -len(found[2].split(".")[1])
    if (found[1] or "").strip() in ("<=", "at most", "under") or found[3] == "less":
        return 0.0, (value + half) / 100
    if (found[1] or "").strip() in (">=", "at least", "over") or found[3] == "more":
        return (value - half) / 100, 1.0
    return max(0.0, value - half) / 100, min(100.0, value + half) / 100


def of_share(share: tuple[float, float], whole: tuple[float, float]) -> tuple[float, float]:
    """The whole numbers that a share of a whole can be (the whole's bounds), as (least, most)."""
    return ceil(share[0] * whole[0] - 1e-9), floor(share[1] * whole[1] + 1e-9) if whole[1] < inf else inf


@dataclass
class Table:
    """A table of a page: the headings over it, its heads and its rows of text, the first cell of each its name."""

    heading: str
    label: str
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


class Reader(HTMLParser):
    """Tables, lists of figures and sentences of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.figures: list[tuple[str, str, str]] = []
        self.text: list[tuple[str, str]] = []
        self.title = ""
        self._heading = ""
        self._tag: list[str] = []
        self._term = ""
        self._label = ""
        self._said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "aria-label" in given:
            self._label = given["aria-label"]
            self.text.append((self._heading, self._label))
        if tag == "table":
            self.tables.append(Table(self._heading, self._label))
        elif tag == "tr" and self.tables:
            self.tables[-1].rows.append([])
        if tag in ("h1", "h2", "th", "td", "dt", "dd", "p", "li", "figcaption", "caption"):
            self._tag.append(tag)
            self._said = ""
            self._span = int(given.get("colspan", "1"))

    def handle_data(self, data: str) -> None:
        self._said += data

    def handle_endtag(self, tag: str) -> None:
        if not self._tag or tag != self._tag[-1]:
            return
        self._tag.pop()
        said = " ".join(self._said.split())
        if tag in ("h1", "h2"):
            self._heading = said
            self.title = self.title or said
        elif tag in ("th", "td") and self.tables and self.tables[-1].rows:
            self.tables[-1].rows[-1] += [said] * self._span
        elif tag == "dt":
            self._term = said
        elif tag == "dd":
            self.figures.append((self._heading, self._term, said))
        elif said:
            self.text.append((self._heading, said))

    def whole_tables(self) -> list[Table]:
        """The tables with their first row as heads."""
        return [Table(one.heading, one.label, one.rows[0], one.rows[1:]) for one in self.tables if one.rows]


def cells(path: str, html: str) -> list[Cell]:
    """Every cell of pupils on a page of the portal."""
    page = Reader(html)
    if path == "/":
        return list(_overview(path, page))
    if path == "/rollout":
        return list(_rollout(path, page))
    if path.startswith("/schools/"):
        return list(_school(path, page))
    if path.startswith("/pilots/"):
        return list(_pilot(path, page))
    return []


def _row_cells(
    path: str, scope: str, kind: str, table: Table, known: dict[str, tuple[str, str | None]]
) -> Iterator[Cell]:
    for row in table.rows:
        for head, text in zip(table.heads, row, strict=False):
            if head in known:
                yield from _cell(path, scope, kind, row[0], *known[head], text)


def _cell(path: str, scope: str, kind: str, name: str, metric: str, whole: str | None, text: str) -> Iterator[Cell]:
    # A cell that says nothing stands for somebody all the same: it is what a total is made of beside the others.
    said = bounds(text) if whole is None else share_bounds(text)
    low, high = said or ((0.0, inf) if whole is None else (0.0, 1.0))
    yield Cell(path, scope, kind, name, metric, low, high, whole, text)


def _overview(path: str, page: Reader) -> Iterator[Cell]:
    for table in page.whole_tables():
        if "Need an adult" in table.heads or "Need an adult, share" in table.heads:
            yield from _row_cells(path, "district", "school", table, SCHOOLS)
        elif "Compared" in table.heads:
            yield from _row_cells(path, "district", "kind", table, KINDS)
        elif "Pupils whose plan holds it" in table.heads:
            yield from _row_cells(path, "district", "competency", table, COMPETENCIES)


def _school(path: str, page: Reader) -> Iterator[Cell]:
    told = {f"Pupils who {metric}": (metric, None) for metric in ("need an adult", "move on")}
    told |= {"Pupils": ("enrolled", None)}
    for _, term, text in page.figures:
        if term in told:
            yield from _cell(path, "district", "school", page.title, *told[term], text)


def _rollout(path: str, page: Reader) -> Iterator[Cell]:
    for heading, term, text in page.figures:
        if term in ROLLOUT:
            yield from _cell(path, heading, "all", EVERYBODY, *ROLLOUT[term], text)
    for heading, text in page.text:
        if found := re.search(rf"{NUMBER} of {NUMBER} planned pupils reached", text):
            yield from _cell(path, heading, "all", EVERYBODY, "reached", None, found[1])
            yield from _cell(path, heading, "all", EVERYBODY, "planned", None, found[2])
    for table in page.whole_tables():
        if "of planned" in table.heads:
            yield from _row_cells(path, table.heading, "school", table, ROLLOUT)
        elif "Grouping" in table.heads:
            for row in table.rows:
                named = Table("", "", table.heads, [[": ".join(row[:2]), *row[1:]]])
                yield from _row_cells(path, table.heading, f"group by {row[0]}", named, ROLLOUT)


def _pilot(path: str, page: Reader) -> Iterator[Cell]:
    scope = page.title
    for _, term, text in page.figures:
        if term in PILOT:
            yield from _cell(path, scope, "all", EVERYBODY, *PILOT[term], text)
    for _, text in page.text:
        if found := re.match(rf"{NUMBER} pupils in \d+ schools", text):
            yield from _cell(path, scope, "both arms", EVERYBODY, "analysed", None, found[1])
    for table in page.whole_tables():
        if "Arm" in table.heads:
            for row in table.rows:
                arm = "school" if row[1] == "Treatment" else "comparison school"
                yield from _row_cells(path, scope, arm, Table("", "", table.heads, [row]), {"Pupils": PILOT["Pupils"]})
        elif "Time" in table.heads and "Pupils" in table.heads:
            yield from _row_cells(path, scope, "dosage", table, {"Pupils": ("treated and analysed", None)})
