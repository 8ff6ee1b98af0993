"""Whose pupils: keys of the pupils of some schools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow.compute as pc

import lake
from cairn.settings import Settings


def pupils_of(settings: Settings, schools: Sequence[str], day: date) -> set[str]:
    """Keys of pupils of the schools: enrolled there on the day, or with it as their primary school."""
    begun = pc.field("valid_from_date").is_null() | (pc.field("valid_from_date") <= day)
    not_over = pc.field("valid_to_date").is_null() | (pc.field("valid_to_date") >= day)
    is_theirs = pc.field("recorded_to").is_null() & pc.field("school_id").isin(list(schools))
    enrolled = is_theirs & (pc.field("role") == "student") & begun & not_over
    found: set[str] = set()
    for name, condition in (("silver.enrollment", enrolled), ("silver.person", is_theirs)):
        found |= set(lake.read(settings, name, ["student_key"], condition)["student_key"].to_pylist())
    return found
