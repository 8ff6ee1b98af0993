"""What a person should know of a package beside its refused rows; names files and lines, never a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from cairn.rostering.oneroster_model import Roster
from cairn.rostering.tabular import Problem
from identity.claims import SharedIdentifier

FILES = {
    "silver.org": "orgs.csv",
    "silver.academic_session": "academicSessions.csv",
    "silver.course": "courses.csv",
    "silver.class_section": "classes.csv",
    "silver.person": "users.csv",
    "silver.enrollment": "enrollments.csv",
    "silver.demographic": "demographics.csv",
}


def nothing_ended(roster: Roster) -> list[Problem]:
    """Bulk files with rows that could not be read: what they do not name stays."""
    return [
        Problem(
            FILES[table],
            1,
            f"{section.unreadable:,} rows could not be read, so that nothing ended by not being named in the file: "
            "mend them and load again",
            is_rejected=False,
        )
        for table, section in roster.sections.items()
        if section.is_bulk and section.unreadable
    ]


def enrolled_in_the_past(roster: Roster, today: date) -> list[Problem]:
    """Every enrolment is over on the day of the load: the dates of terms are last year's, or meant as inclusive."""
    rows = roster.sections["silver.enrollment"].rows
    if not rows or any(row["valid_to_date"] is None or row["valid_to_date"] >= today for row in rows):
        return []
    reason = "every enrolment is over, by its own endDate or its class's terms': nobody is shown in a class today"
    return [Problem("enrollments.csv", 1, reason, is_rejected=False)]


def of_shared(roster: Roster, keys: Mapping[str, str], shared: list[SharedIdentifier]) -> list[Problem]:
    """Rows of users.csv with an identifier that somebody else has too; one line for the same people and kind."""
    line_of = {keys[person.sourced_id]: person.line for person in roster.people if person.sourced_id in keys}
    found: dict[tuple[int, ...], tuple[set[str], int, bool]] = defaultdict(lambda: (set(), 0, False))
    for one in shared:
        lines = tuple(sorted(line_of[student] for student in one.student_keys if student in line_of))
        if lines:
            kinds, _, is_chosen = found[lines]
            found[lines] = (kinds | {one.kind}, len(one.student_keys) - len(lines), is_chosen or one.means is not None)
    problems = []
    for (first, *others), (kinds, elsewhere, is_chosen) in sorted(found.items()):
        whom = [f"line {line}" for line in others]
        whom += [f"{elsewhere} who came with another file"] if elsewhere else []
        meant = "it means whom it was linked to by hand" if is_chosen else "it means nobody ('cairn students shared')"
        reason = f"shares an identifier ({', '.join(sorted(kinds))}) with {', '.join(whom)}: {meant}"
        problems.append(Problem("users.csv", first, reason, is_rejected=False))
    return problems
