"""Whose pupils: keys of the pupils of some schools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import hashing
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


def schools_of(settings: Settings, buckets: Sequence[int], all_buckets: int) -> list[str]:
    """Schools that have a pupil in one of the buckets; none where no bucket is named."""
    if not buckets:
        return []
    wanted = pc.field("recorded_to").is_null() & pc.field("school_id").is_valid()
    people = lake.read(settings, "silver.person", ["student_key", "school_id"], wanted)
    is_theirs = np.isin(hashing.buckets_of(people["student_key"], all_buckets), buckets)
    return sorted(pc.unique(people["school_id"].filter(pa.array(is_theirs))).to_pylist())
