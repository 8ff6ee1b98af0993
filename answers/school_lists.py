"""What a school's page counts, as lists: every count is the length of one of these, so it opens to exactly its rows.

A list knows its order and by what it can be narrowed; a row has its pupil by key, its classes and its lines, each with
the competency whose evidence stands on the pupil's page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType
from zoneinfo import ZoneInfo

from answers import wording
from answers.pinned_releases import Opened
from answers.school_answers import Group, Row, SchoolView
from cairn.language import gettext, noted
from cairn.teacher_words import TeacherWords

# Kinds of news, in the order in which they are told.
NEWS = MappingProxyType(
    {
        "stuck": noted("now stuck"),
        "lost": noted("lost again"),
        "mastered": noted("newly mastered"),
        "back": noted("mastered again"),
    }
)
LEVELS = MappingProxyType({"stuck": "bad", "lost": "care", "mastered": "good", "back": "good"})
TOO_LITTLE = """
select * from mart_student_competency where school_id = ? and state = 'not_enough_evidence'
order by class_title, student_key, competency_code, competency_id"""


@dataclass(frozen=True)
class Line:
    """What on, in a word, and what is to be known of it; ``competency_id`` is where the evidence stands.

    ``code`` is what the word says, in every language: a reason, a kind of news, ``on_to`` or ``left``.
    ``student_key`` is set where the line is of another than the row's pupil; ``row`` is the mart's, for labels.
    """

    topic: str
    word: str = ""
    level: str = "none"
    notes: tuple[str, ...] = ()
    competency_id: str = ""
    resources: tuple[Row, ...] = ()
    student_key: str | None = None
    row: Mapping[str, object] | None = None
    code: str = ""


@dataclass(frozen=True)
class ListRow:
    """One row of a list: of a pupil (``student_key``), or of what ``head`` says.

    ``made`` puts its lines into words: a page counts hundreds of rows and shows a few.
    """

    made: Callable[[], tuple[Line, ...]]
    student_key: str | None = None
    head: str = ""
    class_id: str | None = None
    class_ids: frozenset[str] = frozenset()
    class_title: str = ""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """What the row says, a line each."""
        return self.made()

    @property
    def student_keys(self) -> set[str]:
        """Every pupil that the row names."""
        return {key for key in (self.student_key, *(line.student_key for line in self.lines)) if key}


@dataclass(frozen=True)
class SchoolList:
    """A whole list. ``kinds`` are the words by which it can be narrowed, ``kind`` the one that it was narrowed by."""

    name: str
    title: str
    order: str
    rows: tuple[ListRow, ...]
    kinds: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    can_log: bool = False

    def of_class(self, class_id: str) -> tuple[ListRow, ...]:
        """The rows of one class."""
        return tuple(row for row in self.rows if class_id in row.class_ids)


@dataclass(frozen=True)
class Maker:
    """What the lists are made from: one school in one release."""

    view: SchoolView
    release: Opened
    zone: ZoneInfo
    words: TeacherWords

    def day(self, value: datetime | None) -> str:
        """A day of the district's time: ``Wed 14 Oct``."""
        return wording.short_day(value.astimezone(self.zone).date()) if value else "–"

    def resources(self, competency_id: str | None) -> tuple[Row, ...]:
        """What the district has to offer for a competency."""
        return tuple(self.view.resources.get(competency_id or "", ()))


def topic_of(row: Mapping[str, object], prefix: str = "competency") -> str:
    """Code and title of a competency."""
    return " ".join(str(row[name]) for name in (f"{prefix}_code", f"{prefix}_title") if row.get(name))


def _expected(row: Mapping[str, object]) -> str:
    return gettext("{share} expected right").format(share=wording.percent(row["expected_share"]))


def _last_work(make: Maker, row: Row) -> str:
    return gettext("last work {day}").format(day=make.day(row["last_event_at"]))


def _by_pupil(rows: list[Row], line: Callable[[Row], Line]) -> tuple[ListRow, ...]:
    """One row a pupil, at the place of her first one."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["student_key"], []).append(row)
    return tuple(
        ListRow(
            made=partial(_lines, own, line),
            student_key=key,
            class_id=own[0]["class_id"],
            class_ids=frozenset(row["class_id"] for row in own if row["class_id"]),
            class_title=", ".join(dict.fromkeys(row["class_title"] for row in own if row["class_title"])),
        )
        for key, own in found.items()
    )


def _lines(rows: list[Row], line: Callable[[Row], Line]) -> tuple[Line, ...]:
    return tuple(map(line, rows))


def _each(rows: list[Row], line: Callable[[Row], Line]) -> tuple[ListRow, ...]:
    """One row for each row."""
    return tuple(made for row in rows for made in _by_pupil([row], line))


def _needs_adult(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        notes = [wording.retold(row["detail"])] if row["detail"] else []
        if row["expected_share"] is not None:
            notes.append(_expected(row))
        if row["reason"] != "silent" and not row["is_old"] and row["last_event_at"]:
            notes.append(_last_work(make, row))
        if row["gap_competency_id"]:
            missing = gettext("may be missing: {topic} ({share})")
            notes.append(missing.format(topic=topic_of(row, "gap_competency"), share=wording.percent(row["gap_share"])))
        if row["blocks"]:
            notes.append(wording.plural(row["blocks"], "topic waits for it", "topics wait for it"))
        level = "bad" if row["reason"] == "wheel_spinning" else "care"
        return Line(
            topic_of(row),
            wording.reason(row["reason"]),
            level,
            tuple(notes),
            row["competency_id"],
            make.resources(row["competency_id"]),
            row=None if row["reason"] == "silent" else row,
            code=row["reason"],
        )

    rows = [row for row in make.view.needs_adult if kind in ("", "first" if row["is_first"] else "later")]
    return SchoolList(
        "needs-adult",
        gettext("Who needs an adult"),
        gettext("The most urgent first: stuck, slipping back, gone quiet; then what is hardest and holds up most."),
        _by_pupil(rows, line),
        {"first": gettext("first"), "later": gettext("later")},
        kind,
        can_log=True,
    )


def _moves_on(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        following = topic_of(row, "next_competency") if row["next_competency_id"] else gettext("the teacher’s choice")
        by = gettext("said by a teacher") if row["is_by_teacher"] else gettext("mastered")
        notes = [f"{by}: {topic_of(row)}, {make.day(row['mastered_at'])}"]
        if row["expected_share"] is not None:
            notes.append(_expected(row))
        offered = make.resources(row["next_competency_id"])
        word = gettext("on to")
        return Line(following, word, "good", tuple(notes), row["competency_id"], offered, row=row, code="on_to")

    order = gettext("Who mastered something last comes first.")
    return SchoolList("moves-on", gettext("Who moves on"), order, _by_pupil(make.view.moves_on, line), kind=kind)


def _quick_checks(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        notes = (
            _expected(row),
            _last_work(make, row),
            gettext("due since {day}").format(day=make.day(row["due_since_at"])),
        )
        return Line(topic_of(row), gettext("quick check"), "none", notes, row["competency_id"], row=row)

    order = gettext("By class, then by topic, so that a class can check one topic together.")
    return SchoolList("quick-checks", gettext("Quick checks"), order, _by_pupil(make.view.reviews_due, line), kind=kind)


def _changes(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        was = gettext("was: {state}").format(state=wording.state(row["from_state"]).lower())
        work = gettext("work of {day}").format(day=make.day(row["decided_at"]))
        notes = (work,) if row["kind"] == "stuck" else (was, work)
        news = NEWS[row["kind"]]
        return Line(
            topic_of(row), gettext(news), LEVELS[row["kind"]], notes, row["competency_id"], row=row, code=row["kind"]
        )

    places = list(NEWS)
    rows = [row for row in make.view.changes if kind in ("", row["kind"])]
    rows.sort(key=lambda row: places.index(row["kind"]))
    order = gettext("Stuck, lost again, newly mastered, mastered again; the newest work first.")
    kinds = {code: gettext(word) for code, word in NEWS.items()}
    return SchoolList("changes", gettext("What changed that night"), order, _each(rows, line), kinds, kind)


def _groups(make: Maker, kind: str) -> SchoolList:
    def lines_of(group: Group) -> tuple[Line, ...]:
        members = [
            Line(
                topic_of(member),
                wording.reason("wheel_spinning") if member["is_stuck"] else gettext("new") if member["is_new"] else "",
                "bad" if member["is_stuck"] else "none",
                (_expected(member),),
                member["competency_id"],
                student_key=member["student_key"],
            )
            for member in group.members
        ]
        left = [
            Line(
                "",
                gettext("left"),
                "none",
                (wording.left(gone["left_reason"]),),
                gone["competency_id"],
                student_key=gone["student_key"],
                code="left",
            )
            for gone in group.left
        ]
        return (*members, *left)

    def row(group: Group) -> ListRow:
        head = topic_of(group.competency)
        if group.since_date:
            head += ", " + gettext("since {day}").format(day=wording.short_day(group.since_date))
        if group.is_locked or not group.members:
            why = gettext("kept by the school") if group.is_locked else gettext("has ended")
            head += f" ({why})"
        ids = frozenset(one["class_id"] for one in group.members if one["class_id"])
        return ListRow(partial(lines_of, group), head=head, class_ids=ids, class_title=group.class_titles)

    order = gettext("The largest group first; in a group, who needs it most.")
    return SchoolList("groups", gettext("Small groups for today"), order, tuple(map(row, make.view.groups)), kind=kind)


def _actions(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        notes = (
            f"{make.words.of(row['action'])}, {wording.short_day(row['action_date'])}",
            gettext("{before}, now {after}").format(
                before=wording.state(row["state_before"]), after=wording.state(row["state_after"]).lower()
            ),
            wording.next_answers(row),
        )
        level = {"worked": "good", "not_yet": "care"}.get(row["outcome"], "none")
        outcome = wording.OUTCOMES[row["outcome"]]
        return Line(topic_of(row), gettext(outcome), level, notes, row["competency_id"], (), None, row)

    rows = [row | {"class_id": None, "class_title": ""} for row in make.view.recent_followups]
    if kind == "work-since":
        rows = [row for row in rows if row["has_worked"]]
    if kind == "waiting":
        rows = [row for row in rows if not row["has_worked"]]
    kinds = {"work-since": gettext("with work since"), "waiting": gettext("no work since")}
    order = gettext("What was done in the last fourteen days, the newest first.")
    return SchoolList("actions", gettext("Did the actions work?"), order, _each(rows, line), kinds, kind)


def _teachers_words(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        said = gettext("said on {day}: {why}")
        number = gettext("by number: {state} ({share} expected right)")
        notes = (
            said.format(day=wording.short_day(row["override_date"]), why=make.words.of(row["override_reason"])),
            number.format(
                state=wording.state(row["computed_state"]).lower(), share=wording.percent(row["expected_share"])
            ),
        )
        word = f"“{wording.said_word(row['override_state'])}”"
        return Line(topic_of(row), word, "none", notes, row["competency_id"], row=row)

    rows = [row for row in make.view.overrides if kind != "set-aside" or row["is_set_aside"]]
    kinds = {"set-aside": gettext("need no adult, a teacher says")}
    order = gettext("The newest word first.")
    return SchoolList("teachers-words", gettext("What teachers said"), order, _each(rows, line), kinds, kind)


def _too_little(make: Maker, kind: str) -> SchoolList:
    def line(row: Row) -> Line:
        tries = wording.plural(row["counted_attempts"], "try that counts", "tries that count")
        notes = (tries, _last_work(make, row))
        return Line(topic_of(row), wording.state(row["state"]).lower(), "none", notes, row["competency_id"], row=row)

    rows = make.release.rows(TOO_LITTLE, [make.view.school["school_id"]])
    order = gettext("By class, then by pupil and topic.")
    title = wording.state("not_enough_evidence")
    return SchoolList("not-enough-evidence", title, order, _each(rows, line), kind=kind)


def _classes(make: Maker, kind: str) -> SchoolList:
    def row(of: Row) -> ListRow:
        notes = (
            gettext("{count} of {pupils} worked in the last 7 days").format(
                count=of["active_pupils_7d"], pupils=wording.plural(of["pupils"], "pupil")
            ),
            gettext("{stuck} stuck, {ready} ready to move on").format(
                stuck=of["stuck_pupils"], ready=of["ready_pupils"]
            ),
        )
        line = Line(wording.retold(of["attention_reason"]), notes=notes, student_key=of["teacher_key"])
        return ListRow(lambda: (line,), None, of["class_title"], of["class_id"], frozenset([of["class_id"]]))

    order = gettext("The most urgent first: stuck pupils, then idle ones, then topics that are still open.")
    return SchoolList("classes", gettext("Which class needs me"), order, tuple(map(row, make.view.classes)), kind=kind)


def _pace(make: Maker, kind: str) -> SchoolList:
    def row(of: Row) -> ListRow:
        lately = "–" if of["a_week"] is None else wording.number(of["a_week"], 1)
        notes = (
            gettext("an even pace would be at {share}").format(share=wording.percent(of["needed_share"])),
            gettext("review due: {share}").format(share=wording.percent(of["review_due_pairs"] / of["planned_pairs"])),
            gettext("needs {needed} a week, lately {lately}").format(
                needed=wording.number(of["needed_a_week"], 1), lately=lately
            ),
        )
        is_behind = of["mastered_share"] < of["needed_share"]
        word = gettext("behind") if is_behind else gettext("on pace")
        line = Line(
            gettext("{share} of the year’s plan mastered").format(share=wording.percent(of["mastered_share"])),
            word,
            "care" if is_behind else "good",
            notes,
        )
        title = f"{of['class_title']}, {of['subject']}" if of["subject"] else of["class_title"]
        return ListRow(lambda: (line,), None, title, of["class_id"], frozenset([of["class_id"]]))

    order = gettext("By class. Mastered now, of all that its pupils are to master this school year.")
    return SchoolList("pace", gettext("Pace through the plan"), order, tuple(map(row, make.view.pace)), kind=kind)


LISTS: Mapping[str, Callable[[Maker, str], SchoolList]] = MappingProxyType(
    {
        "needs-adult": _needs_adult,
        "moves-on": _moves_on,
        "changes": _changes,
        "actions": _actions,
        "quick-checks": _quick_checks,
        "groups": _groups,
        "classes": _classes,
        "pace": _pace,
        "teachers-words": _teachers_words,
        "not-enough-evidence": _too_little,
    }
)


def school_list(make: Maker, name: str, kind: str = "") -> SchoolList:
    """A list by its name. Raises KeyError for another name, or a kind that the list does not have."""
    found = LISTS[name](make, kind)
    if kind and kind not in found.kinds:
        raise KeyError(kind)
    return found
