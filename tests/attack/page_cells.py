"""What a reader of the central office's pages can copy into a spreadsheet: every cell that counts pupils, with what it
says of the number.

It knows the pages by their headings alone, as a reader does: a heading that it does not know is no cell, so that
``tests/attack/test_derive.py`` counts the cells of each page as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from math import ceil, floor, inf

# What a column or a figure is about: a number of pupils, or the share of a whole (PART_OF) where it is a percentage.
SCHOOLS = {"Pupils": "enrolled", "Need an adult": "need an adult", "Move on": "move on"}
ROLLOUT = {
    "of planned": "planned",
    "Pupils planned": "planned",
    "Pupils reached": "reached",
    "Reached": "reached",
    "Planned pupils reached": "reached",
    "Planned time met": "had the time",
    "Pupils with the planned time": "had the time",
    "Pupils with the planned time so far": "had the time",
}
PILOT = ROLLOUT | {"Pupils": "analysed", "Pupils assigned": "planned", "With both tests": "analysed"}
COMPETENCIES = {
    "Pupils whose plan holds it": "plan holds it",
    "Mastered, %": "mastered",
    "Mastered": "mastered",
    "Review due, %": "review due",
    "Review due": "review due",
}
KINDS = {"Pupils": "acted on", "Compared": "compared"}
# Heads over a pilot's groups of pupils, on the page and in the PDF: the kind of group.
PILOT_GROUPS = {
    "Time": "dosage",
    "Pupils by the time they got": "dosage",
    "Group": "group",
    "Effect by group, pooled": "group",
}
GROUPS = {"Pupils": "enrolled", "Half mastered": "half mastered"} | SCHOOLS
# Shares of which the parts are pupils of a whole: the rest of them is a number of pupils as well.
PART_OF = {
    "need an adult": "enrolled",
    "move on": "enrolled",
    "half mastered": "enrolled",
    "reached": "planned",
    "had the time": "planned",
    "analysed": "planned",
    "mastered": "plan holds it",
    "review due": "plan holds it",
    "compared": "acted on",
}
NUMBER = r"(\d{1,3}(?:,\d{3})+|\d+)"
EVERYBODY = "everybody"
# A number of pupils, and a share of them, in a sentence.
COUNTED = re.compile(rf"\b((?:under|fewer than) )?{NUMBER}(?: \w+)? pupils?\b")
SHARED = re.compile(r"\b(\d+(?:\.\d+)? ?%(?: or (?:fewer|more))?) of (?:\w+ )?pupils\b")
# Of pupils lost, overall and between arms.
LOST = re.compile(r"of pupils[^:;.]*: ([\d.]+ ?%(?: or (?:fewer|more))?) overall and ([\d.]+) (?:points|%)")
DIGITS = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True)
class Cell:
    """A number of pupils as a page says it: between ``low`` and ``high``, of a place (pilot or district, group); a
    share as printed, without its rounding. ``rounded_to`` is what the page says that counts are rounded to."""

    page: str
    scope: str
    kind: str
    name: str
    metric: str
    low: float
    high: float
    whole: str | None
    text: str
    rounded_to: int = 1


def bounds(text: str, rounded_to: int = 1) -> tuple[float, float] | None:
    """What a printed count says: (least, most), the same where it is exact; None where it says nothing."""
    text = text.strip()
    if found := re.fullmatch(NUMBER, text):
        value = int(found[1].replace(",", ""))
        if value % rounded_to:
            return value, value  # not one of the rounded: it stands as it is
        return (value, value) if value == 0 else (value - rounded_to // 2, value + rounded_to - 1 - rounded_to // 2)
    if found := re.fullmatch(rf"(?:under|fewer than) {NUMBER}(?: pupils)?", text):
        return 0.0, float(found[1].replace(",", "")) - 1
    if found := re.fullmatch(rf"{NUMBER} or more", text):
        return float(found[1].replace(",", "")), inf
    return None


def share_bounds(text: str) -> tuple[float, float] | None:
    """What a printed percentage says of the share, its rounding apart: one number, or one side of it; else None."""
    text = text.strip().replace("<=", "≤")
    found = re.fullmatch(r"(≤|at most )?(\d+(?:\.\d+)?) ?%?(?: or (fewer|more))?", text)
    if found is None:
        return None
    value = float(found[2]) / 100
    if found[1] or found[3] == "fewer":
        return 0.0, value
    return (value, 1.0) if found[3] == "more" else (value, value)


# Shares of larger groups are told in smaller steps (docs/explanation): the first that holds half of ten pupils.
STEPS = (1, 2, 5, 10, 20, 25)


def half_step(least: float, cell: Cell) -> float:
    """Half of the step to which a share of at least so many pupils is rounded: that of the group's size, but a number
    that is none of its steps was rounded less; half a point where counts are exact."""
    if "." in cell.text:
        return 0.0005
    if cell.rounded_to == 1:
        return 0.005
    widest = next((step for step in STEPS if step * least * 2 >= 1000), STEPS[-1])
    said = int(re.sub(r"\D", "", cell.text) or 0)
    return max(step for step in STEPS if step <= widest and said % step == 0) / 200


def of_share(cell: Cell, whole: tuple[float, float]) -> tuple[float, float]:
    """The whole numbers that a share of a whole can be (the whole's bounds), as (least, most)."""
    half = half_step(whole[0], cell)
    low, high = max(0.0, cell.low - half), min(1.0, cell.high + half)
    return ceil(low * whole[0] - 1e-9), floor(high * whole[1] + 1e-9) if whole[1] < inf else inf


@dataclass
class Table:
    """A table of a page: the headings over it, its heads and its rows of text, the first cell of each its name."""

    heading: str
    label: str
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


SAYING = ("h1", "h2", "h3", "th", "td", "dt", "dd", "p", "li", "figcaption", "caption", "summary", "text", "title")


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
        if tag in SAYING:
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

    def sentences(self) -> list[str]:
        """Everything that is said anywhere: paragraphs, descriptions of charts, their letters, cells and figures."""
        in_tables = [text for table in self.tables for row in table.rows for text in row]
        said = [text for _, text in self.text] + [text for _, _, text in self.figures] + in_tables
        return list(dict.fromkeys(said))

    def whole_tables(self) -> list[Table]:
        """The tables with their first row as heads."""
        return [Table(one.heading, one.label, one.rows[0], one.rows[1:]) for one in self.tables if one.rows]


def cells(path: str, html: str) -> list[Cell]:
    """Every cell of pupils on a page of the portal."""
    page = Reader(html)
    rounded_to = rounding_of(html)
    return [rounded(one, rounded_to) for one in (*_cells(path, page), *_said(path, page))]


def rounding_of(html: str) -> int:
    """What a page says that its numbers of pupils are rounded to; 1 where it says nothing."""
    said = re.search(r"Numbers of pupils are rounded to (\d+)", html)
    return int(said[1]) if said else 1


def rounded(cell: Cell, rounded_to: int) -> Cell:
    """The cell as somebody reads it who knows how the page rounds."""
    said = bounds(cell.text, rounded_to) if cell.whole is None else None
    low, high = said or (cell.low, cell.high)
    return replace(cell, low=low, high=high, rounded_to=rounded_to)


def _said(path: str, page: Reader) -> Iterator[Cell]:
    """Numbers of pupils in sentences, whatever they are about: the sentence itself, without numbers, is their name.

    A share is one of the pupils planned where it is about their time, and of those of both arms otherwise.
    """
    times: Counter[str] = Counter()
    for text in page.sentences():
        name = DIGITS.sub("#", text)
        times[name] += 1  # of two pilots on one page
        name = f"{name} (time {times[name]})"
        for place, found in enumerate(COUNTED.finditer(text)):
            said = f"{found[1] or ''}{found[2]}"
            yield cell_of(path, page.title, f"sentence, number {place + 1}", name, "pupils", said)
        shares = [found[1] for found in SHARED.finditer(text)]
        shares += [said for found in LOST.finditer(text) for said in (found[1], f"{found[2]} %")]
        for place, said in enumerate(shares):
            low, high = share_bounds(said) or (0.0, 1.0)
            metric = f"share {place + 1} of {name!r}"
            kind, whole = ("all", "planned") if "time" in text else ("both arms", "analysed")
            yield Cell(path, page.title, kind, EVERYBODY, metric, low, high, whole, said)


def _cells(path: str, page: Reader) -> Iterator[Cell]:
    if path == "/":
        return _overview(path, page)
    if path.startswith("/equity"):
        return _equity(path, page)
    if path == "/rollout":
        return _rollout(path, page)
    if path.startswith("/schools/"):
        return _school(path, page)
    if path.startswith("/pilots/"):
        return _pilot(path, page)
    if path.startswith("/releases/"):
        return _difference(path, page)
    return iter(())


def _row_cells(path: str, scope: str, kind: str, table: Table, known: dict[str, str]) -> Iterator[Cell]:
    for row in table.rows:
        for head, text in zip(table.heads, row, strict=False):
            if head in known:
                yield cell_of(path, scope, kind, row[0], known[head], text, "%" in head)


def cell_of(path: str, scope: str, kind: str, name: str, metric: str, text: str, is_share: bool = False) -> Cell:
    """A cell of a metric as it is printed."""
    whole = PART_OF.get(metric) if is_share or "%" in text else None
    # A cell that says nothing stands for somebody all the same: it is what a total is made of beside the others.
    said = bounds(text) if whole is None else share_bounds(text)
    low, high = said or ((0.0, inf) if whole is None else (0.0, 1.0))
    return Cell(path, scope, kind, name, metric, low, high, whole, text)


def _overview(path: str, page: Reader) -> Iterator[Cell]:
    for table in page.whole_tables():
        if "Need an adult" in table.heads:
            yield from _row_cells(path, "district", "school", table, SCHOOLS)
        elif "Compared" in table.heads:
            yield from _row_cells(path, "district", "kind", table, KINDS)
        elif "Pupils whose plan holds it" in table.heads:
            yield from _row_cells(path, "district", "competency", table, COMPETENCIES)


def _equity(path: str, page: Reader) -> Iterator[Cell]:
    """Groups of pupils: their sums are the totals of the district and of the school, whose pages know them as well."""
    for table in page.whole_tables():
        school = table.heading.removeprefix("At ")
        for row in table.rows:
            grouping = row[1] if "Grouping" in table.heads else table.heading
            place = "district" if grouping == table.heading else school
            is_all = row[0] == "All pupils"
            name = EVERYBODY if is_all else f"{grouping}: {row[0]}"
            kind = "all" if is_all else f"group by {grouping}"
            named = Table("", "", table.heads, [[name, *row[1:]]])
            yield from _row_cells(path, f"{place} by {grouping}", kind, named, GROUPS)
            if is_all and place != "district":
                yield from _row_cells(
                    path, "district", "school", Table("", "", table.heads, [[school, *row[1:]]]), GROUPS
                )


def _difference(path: str, page: Reader) -> Iterator[Cell]:
    """Why two releases differ; rows of a table, should a page tell them again."""
    for table in page.whole_tables():
        told = {head: head.lower() for head in table.heads if head.startswith("Pairs") or table.heads[0] == "Table"}
        yield from _row_cells(path, path, "difference", table, told)


def _school(path: str, page: Reader) -> Iterator[Cell]:
    told = {"Pupils": "enrolled"} | {f"Pupils who {metric}": metric for metric in ("need an adult", "move on")}
    for _, term, text in page.figures:
        if term in told:
            yield cell_of(path, "district", "school", page.title, told[term], text)


def _rollout(path: str, page: Reader) -> Iterator[Cell]:
    for heading, term, text in page.figures:
        if term in ROLLOUT:
            yield cell_of(path, heading, "all", EVERYBODY, ROLLOUT[term], text)
    for heading, text in page.text:
        if found := re.search(rf"{NUMBER} of {NUMBER} planned pupils reached", text):
            yield cell_of(path, heading, "all", EVERYBODY, "reached", found[1])
            yield cell_of(path, heading, "all", EVERYBODY, "planned", found[2])
    for table in page.whole_tables():
        if "School" in table.heads and {"of planned", "Pupils planned"} & set(table.heads):
            yield from _row_cells(path, table.heading, "school", table, ROLLOUT)
        elif "Grouping" in table.heads:
            for row in table.rows:
                named = Table("", "", table.heads, [[": ".join(row[:2]), *row[1:]]])
                yield from _row_cells(path, table.heading, f"group by {row[0]}", named, ROLLOUT)


def _pilot(path: str, page: Reader) -> Iterator[Cell]:
    scope = page.title
    for _, term, text in page.figures:
        if term in PILOT:
            yield cell_of(path, scope, "all", EVERYBODY, PILOT[term], text)
    for _, text in page.text:
        if found := re.match(rf"{NUMBER} pupils in \d+ schools[ ,.]", text):
            yield cell_of(path, scope, "both arms", EVERYBODY, "analysed", found[1])
    for table in page.whole_tables():
        if "Arm" in table.heads:
            for row in table.rows:
                arm = "school" if row[1] == "Treatment" else "comparison school"
                yield from _row_cells(path, scope, arm, Table("", "", table.heads, [row]), PILOT)
        elif table.heads and table.heads[0] in PILOT_GROUPS and "Pupils" in table.heads:
            kind = PILOT_GROUPS[table.heads[0]]
            yield from _row_cells(path, scope, kind, table, {"Pupils": "analysed of the group"})
