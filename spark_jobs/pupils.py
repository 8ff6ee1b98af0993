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


def schools_of(
    settings: Settings, buckets: Sequence[int], subject_buckets: Sequence[int], all_buckets: int
) -> list[str]:
    """Schools that have a pupil in one of the buckets, or one whose subject is in one of the subjects' buckets."""
    if not buckets and not subject_buckets:
        return []
    wanted = pc.field("recorded_to").is_null() & pc.field("school_id").is_valid()
    people = lake.read(settings, "silver.person", ["student_key", "school_id"], wanted)
    is_theirs = np.isin(hashing.buckets_of(people["student_key"], all_buckets), buckets)
    if subject_buckets:
        links = lake.read(settings, "silver.identity_link", ["subject_key", "student_key"])
        is_linked = np.isin(hashing.buckets_of(links["subject_key"], all_buckets), subject_buckets)
        linked = links["student_key"].filter(pa.array(is_linked))
        is_theirs |= np.asarray(pc.is_in(people["student_key"], value_set=pc.unique(linked)))
    return sorted(pc.unique(people["school_id"].filter(pa.array(is_theirs))).to_pylist())
