"""Enrolments whose class has moved to another school by a delta that does not bring them: the class's school counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow.compute as pc

import lake
from cairn.rostering.oneroster_model import Roster
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from loading.history import CURRENT
from loading.sections import ENROLLMENT, KeyedSection
from loading.snapshot import RECORDED, Row

CLASS = "silver.class_section"


def follow_classes(settings: Settings, roster: Roster, sections: Sequence[KeyedSection]) -> list[KeyedSection]:
    """The sections, with the enrolments that are known in a class of the package at another school, now at its own.

    Those that the package brings or ends itself are left to it. How many moved is noted.
    """
    schools = {str(row["class_id"]): row["school_id"] for row in roster.sections[CLASS].rows}
    own = next((section for section in sections if section.table == ENROLLMENT), None)
    if not schools or (own is not None and own.is_bulk):
        return list(sections)
    named = {str(row["enrollment_id"]) for row in own.rows}.union(own.ended_ids, own.kept_ids) if own else set()
    among = CURRENT & pc.field("class_id").isin(sorted(schools))
    moved: list[Row] = [
        {name: value for name, value in row.items() if name not in RECORDED} | {"school_id": schools[row["class_id"]]}
        for row in lake.read(settings, ENROLLMENT, filters=among).to_pylist()
        if row["school_id"] != schools[row["class_id"]] and row["enrollment_id"] not in named
    ]
    if not moved:
        return list(sections)
    reason = (
        f"classes have moved to another school, and with them {len(moved):,} enrolments that the package leaves out"
    )
    roster.problems.append(Problem("classes.csv", 1, reason, is_rejected=False))
    if own is None:
        return [*sections, KeyedSection(ENROLLMENT, moved, is_bulk=False)]
    return [replace(one, rows=[*one.rows, *moved]) if one is own else one for one in sections]
