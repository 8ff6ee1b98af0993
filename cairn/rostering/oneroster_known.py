"""What a package leans on beside its own rows: schools, classes and terms, its own first, else those loaded before.

A delta may bring an enrolment without its class, and a bulk package a class without its term.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

SCHOOL = "school"
# First and last day, both inclusive.
Days = tuple[date, date]


@dataclass(frozen=True)
class Known:
    """Loaded before. ``org_types`` by org, ``session_days`` by academic session, ``classes`` as rows by class.

    ``on_date``: the local day of the load, which roles with dates are read for; None reads them without dates.
    """

    org_types: Mapping[str, str] = field(default_factory=dict)
    session_days: Mapping[str, Days] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on_date: date | None = None

    def with_orgs(self, rows: Iterable[Mapping[str, Any]]) -> Known:
        """With a package's own schools and districts."""
        own = {row["org_id"]: row["org_type"] for row in rows}
        return replace(self, org_types={**self.org_types, **own})

    def with_sessions(self, rows: Iterable[Mapping[str, Any]]) -> Known:
        """With a package's own academic sessions."""
        own = {row["session_id"]: (row["valid_from_date"], row["valid_to_date"]) for row in rows}
        return replace(self, session_days={**self.session_days, **own})

    def with_classes(self, rows: Iterable[Mapping[str, Any]]) -> Known:
        """With a package's own classes."""
        own = {row["class_id"]: row for row in rows}
        return replace(self, classes={**self.classes, **own})

    def school_of_class(self, class_id: str) -> str | None:
        """The class's school; None where the class is not known."""
        found = self.classes.get(class_id)
        return found["school_id"] if found else None

    def days_of_class(self, class_id: str) -> Days | None:
        """First and last day of the class's terms; None where the class, or one of its terms, is not known."""
        found = self.classes.get(class_id)
        terms = ids_in(found["session_ids"]) if found else []
        if not terms or any(term not in self.session_days for term in terms):
            return None
        days = [self.session_days[term] for term in terms]
        return min(first for first, _ in days), max(last for _, last in days)

    def is_school(self, org: str | None) -> bool:
        """Whether an org is known to be a school."""
        return org is not None and self.org_types.get(org) == SCHOOL

    def first_school(self, candidates: Iterable[str]) -> str | None:
        """The first of the orgs that is a school; the first one at all where none is known to be a school."""
        orgs = [org for org in candidates if org]
        return next((org for org in orgs if self.is_school(org)), orgs[0] if orgs else None)


def listed(ids: Iterable[str]) -> str | None:
    """Several ids in one column, each between commas, so that one is found as ``,T1,``; None where there is none."""
    kept = [one for one in ids if one]
    return f",{','.join(kept)}," if kept else None


def ids_in(text: str | None) -> list[str]:
    """The ids of a list in one cell; blanks around commas are no part of an id."""
    return [one.strip() for one in (text or "").split(",") if one.strip()]
