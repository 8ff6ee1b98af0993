"""The pictures of a pilot's rollout, each with its text of the same numbers, or what would have to be sent for it.

Texts are made in the language of the page: names of schools and competencies stand in them as they were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from answers import wording
from answers.published_numbers import Row as NumbersRow
from answers.wording import retold
from cairn.language import gettext, noted
from cairn.protection.published import EMPTY, PublishedCell
from cairn.protection.rules import Rules
from pilots.rollout import LAYOUTS, not_sent
from portal.rollout_bars import Bar, bars
from portal.rollout_charts import UNITS, course_chart, dosage_chart

Row = Mapping[str, Any]
Rows = Sequence[Row]
ANSWERS = ("ready", "partly", "not_ready")
# Most bars of a picture: what is beyond stands in the table alone.
MOST_BARS = 24
COURSE = noted(
    "Share reached (full line) of all that is planned (dashed) by date. {said}. Pupils are shown in steps of at least"
    " {count}."
)
DOSAGE = noted("Mean minutes of each school against {minutes} planned; the table of schools has the same numbers")
GROUPS = noted("Share of planned pupils reached, by group. Groups of fewer than {count} are not shown.")
NO_LEARNING = noted(
    "The plan does not say what adults are to learn (implementation.adult_learning), and nothing was sent: {command}."
)
FEW_ADULTS = noted("Each role has fewer than {count} adults of whom it is told, or its numbers contradict.")
COSTS = noted("What it cost, by what the costs file says of where it goes (classroom or central in its column Code).")


@dataclass(frozen=True)
class Picture:
    """A picture with its alternative text and caption; without ``svg`` the caption says why there is none."""

    title: str
    caption: str
    svg: str | None = None
    alt: str = ""


@dataclass(frozen=True)
class Told:
    """What the release says of one pilot: its parts (``answers.pilot_answers``), schools, and kinds of facts sent; and
    what is published of its pupils."""

    release_id: str
    data_date: date
    parts: Mapping[str, Rows]
    schools: Rows
    planned_minutes: float | None
    rules: Rules
    published: NumbersRow

    def missing(self, kind: str) -> str | None:
        """That nothing of a kind was sent and how it comes; None where it was, or a release of before does not say."""
        row = next((one for one in self.parts["sent"] if one["fact_type"] == kind), None)
        return None if row is None or row["facts"] else not_sent(kind, row["sent_by"])


def pictures(told: Told) -> list[Picture]:
    """All of a pilot, in the order of the page; one that can neither be drawn nor missed is left out."""
    found = [
        _course(told),
        _dosage(told),
        _groups(told),
        _learning(told),
        _readiness(told),
        _support(told),
        _costs(told),
    ]
    return [one for one in found if one is not None]


def _missing(told: Told, title: str, kind: str) -> Picture | None:
    reason = told.missing(kind)
    return Picture(title, f"{wording.opened(retold(reason))}.") if reason else None


def _read_out(title: str, each: Sequence[str]) -> str:
    """The picture for those who cannot see it: its title, and each of its parts."""
    return f"{title}: {'; '.join(each)}"


def _course(told: Told) -> Picture | None:
    title = gettext("Reached by date against plan")
    course = [row if row["unit"] != "pupils" else _rounded(row, told.rules) for row in told.parts["course"]]
    course = [row for row in course if row["on_date"] <= told.data_date]
    said = ". ".join(retold(one) for one in now(told.parts["course"], told.data_date, told.published))
    svg = _course_svg(told.release_id, told.data_date, _frozen(course))
    if svg is None:
        return _missing(told, title, "dosage")
    return Picture(
        title,
        gettext(COURSE).format(said=said, count=told.rules.n_min),
        svg,
        f"{title}: {said}",
    )


def _dosage(told: Told) -> Picture | None:
    title = gettext("Minutes by school")
    shown = [
        {"school_name": row["school_name"] or row["school_id"], "dosage_minutes_mean": cell.value}
        for row in told.schools
        if (cell := row["told"].get("dosage_minutes_mean", EMPTY)).is_told
    ]
    svg = _dosage_svg(told.release_id, _frozen(shown), told.planned_minutes)
    if svg is None:
        return _missing(told, title, "dosage")
    planned = wording.number(told.planned_minutes)
    return Picture(
        title,
        gettext("Each dot is a school; the dashed line is the planned {minutes} minutes.").format(minutes=planned),
        svg,
        gettext(DOSAGE).format(minutes=planned),
    )


def _groups(told: Told) -> Picture | None:
    title = gettext("Reach by group")
    cells = [(row, row["told"].get("pupils_reached", EMPTY)) for row in told.parts["groups"]]
    rows = [(row, cell) for row, cell in cells if cell.low is not None and cell.high is not None]
    if not rows:
        few = gettext("Of no group is a share published.")
        return _missing(told, title, "dosage") or (Picture(title, few) if told.parts["groups"] else None)
    # What is told as "80 % or more" is drawn to the middle of what it can be, and its number says which it is.
    drawn = [Bar(plain_group(row), _parts(cell), retold(cell.text.replace(" or more", "+"))) for row, cell in rows]
    said = _read_out(title, [f"{bar.name} {bar.end}" for bar in drawn])
    caption = gettext(GROUPS).format(count=told.rules.n_min)
    if missing := told.missing("pupil_group"):
        caption += " " + gettext("Other groups of pupils: {why}.").format(why=retold(missing))
    return Picture(title, caption, bars(("reached", "not yet"), drawn[:MOST_BARS], 1.0), said)


def _of(count: int, whole: int) -> str:
    return gettext("{count} of {all}").format(count=count, all=whole)


def _parts(cell: PublishedCell) -> tuple[float, float]:
    """The two parts of a bar of a published share."""
    middle = cell.value if cell.value is not None else ((cell.low or 0.0) + (cell.high or 1.0)) / 2
    return middle, 1 - middle


def _rounded(row: Row, rules: Rules) -> Row:
    """A step of the course of pupils by the rules of what is published."""
    return {**row, **{name: rules.count(row[name]).value or 0 for name in ("planned", "reached")}}


def plain_group(row: Row) -> str:
    """A group with its grouping, as a person says it."""
    if row["grouping_name"] == "score at the start":
        return wording.opened(retold(str(row["group_name"])))
    return f"{retold(wording.plain(row['grouping_name']))}: {retold(str(row['group_name']))}"


def _learning(told: Told) -> Picture | None:
    title, rows = gettext("What adults have learned"), told.parts["learning"]
    shown = [row for row in rows if row["adults_to_learn"]]
    if not shown:
        if told.parts["sent"] and not rows:
            command = f"cairn facts load PATH --layout {LAYOUTS['training']}"
            return Picture(title, gettext(NO_LEARNING).format(command=command))
        few = Picture(title, gettext(FEW_ADULTS).format(count=told.rules.n_min))
        return _missing(told, title, "training") or (few if rows else None)
    drawn = [
        Bar(
            f"{row['competency']} ({retold(wording.plain(row['adult_role'])).lower()})",
            (row["adults_shown"] / row["adults_to_learn"], 1 - row["adults_shown"] / row["adults_to_learn"]),
            _of(row["adults_shown"], row["adults_to_learn"]),
        )
        for row in shown
    ]
    said = _read_out(title, [f"{bar.name} {bar.end}" for bar in drawn])
    caption = gettext("Adults who have shown a competency of their role, of those who are to learn it.")
    return Picture(title, caption, bars(("shown", "not yet"), drawn[:MOST_BARS], 1.0), said)


def _readiness(told: Told) -> Picture | None:
    title = gettext("Readiness of schools")
    rows = [row for row in told.parts["readiness"] if row["is_newest"]]
    if not rows:
        return _missing(told, title, "readiness")
    drawn = []
    for row in rows:
        items = sum(row[one] for one in ANSWERS)
        shares = tuple(row[one] / items for one in ANSWERS)
        drawn.append(Bar(row["school_name"] or row["school_id"], shares, _of(row["ready"], items)))
    said = _read_out(title, [gettext("{school} {part} ready").format(school=bar.name, part=bar.end) for bar in drawn])
    silent = len(told.schools) - len(rows)
    caption = gettext("Items of the checklist by each school's newest answers.")
    if silent > 0:
        unheard = wording.plural(silent, "school has", "schools have")
        caption += " " + gettext("{schools} not answered.").format(schools=unheard)
    return Picture(title, caption, bars(("ready", "partly", "not ready"), drawn[:MOST_BARS], 1.0), said)


def _support(told: Told) -> Picture | None:
    title, rows = gettext("Support given"), told.parts["support"]
    if not rows:
        return _missing(told, title, "support")
    kinds = sorted({row["support_kind"] for row in rows}, key=lambda kind: (-_hours(rows, kind), kind))
    named, more = kinds[:3], kinds[3:]
    drawn = []
    for school in told.schools:
        own = [row for row in rows if row["school_id"] == school["school_id"]]
        parts = tuple(_hours(own, kind) for kind in named) + (
            (sum(_hours(own, kind) for kind in more),) if more else ()
        )
        drawn.append(Bar(school["school_name"] or school["school_id"], parts, f"{sum(parts):g} h"))
    drawn.sort(key=lambda bar: (-sum(bar.parts), bar.name))
    said = _read_out(title, [f"{bar.name} {bar.end}" for bar in drawn])
    legend = [wording.plain(kind).lower() for kind in named] + (["other"] if more else [])
    caption = gettext("Hours of support by school; a school without a bar was given none by what was sent.")
    return Picture(title, caption, bars(legend, drawn[:MOST_BARS]), said)


def _hours(rows: Rows, kind: str) -> float:
    return float(sum(row["hours"] for row in rows if row["support_kind"] == kind))


def _costs(told: Told) -> Picture | None:
    title, rows = gettext("Cost by kind"), told.parts["costs"]
    if not rows:
        return _missing(told, title, "cost")
    drawn = []
    for row in rows:
        unsaid = max(0.0, row["cost_usd"] - row["classroom_usd"] - row["central_usd"])
        parts = (row["classroom_usd"], unsaid, row["central_usd"])
        drawn.append(Bar(retold(wording.plain(row["cost_kind"])), parts, wording.money(row["cost_usd"])))
    part = gettext("{cost}, of it {part} in classrooms")
    said = _read_out(
        title, [f"{bar.name} {part.format(cost=bar.end, part=wording.money(bar.parts[0]))}" for bar in drawn]
    )
    kinds = ("reaches classrooms", "not said", "central")
    return Picture(title, gettext(COSTS), bars(kinds, drawn[:MOST_BARS]), said)


def now(course: Rows, data_date: date, published: NumbersRow) -> list[str]:
    """What the picture of the course shows at the data date, a sentence a unit.

    Of pupils it is what is published, as the figures beside it say it: the course itself goes by steps.
    """
    said = []
    for unit, one in zip(UNITS, ("school", "class", "pupil"), strict=True):
        rows = [row for row in course if row["unit"] == unit]
        if rows and rows[-1]["planned"]:
            by_now = [row for row in rows if row["on_date"] <= data_date]
            if unit == "pupils":
                share, planned = (published.get(name, EMPTY).text for name in ("pupils_reached", "pupils_planned"))
                # Where nothing of them is published yet, the figures say so; a sentence of dashes says nothing.
                if planned != EMPTY.text:
                    said.append(f"{share} of {planned} planned pupils reached")
                continue
            begun, reached = (by_now[-1]["planned"], by_now[-1]["reached"]) if by_now else (0, 0)
            said.append(
                f"{reached:,} of {wording.plural(rows[-1]['planned'], 'planned ' + one, 'planned ' + unit)} reached,"
                f" {begun:,} were to be by now"
            )
    return said


Frozen = tuple[tuple[tuple[str, Any], ...], ...]


def _frozen(rows: Rows) -> Frozen:
    return tuple(tuple(row.items()) for row in rows)


# Made once a release: Vega's drawing takes longer than the page may.
@lru_cache(maxsize=64)
def _course_svg(release_id: str, data_date: date, course: Frozen) -> str | None:
    return course_chart([dict(row) for row in course], data_date)


@lru_cache(maxsize=64)
def _dosage_svg(release_id: str, schools: Frozen, planned_minutes: float | None) -> str | None:
    return dosage_chart([dict(row) for row in schools], planned_minutes)
