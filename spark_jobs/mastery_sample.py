"""The stated sample of the district's counted evidence that its share model is fitted on.

Whole pupils with all that counts of their work, for a pupil's sums span competencies: within each bucket those with the
lowest keys (which the vault draws at random), up to the bucket's part of MOST_RESPONSES. The pupils whom versions are
judged by (:mod:`cairn.mastery.judged`) are not among them. So what the driver holds does not grow with pupils.

A version is fitted on what counts by its own limits for rapid guesses. So what would count but for its speed is read,
the items' limits are made of its times, and what is quicker than these is left out then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import SparkContext

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import EvidenceRule, MasteryConfig
from cairn.mastery.evidence import BoolArray
from cairn.mastery.judged import are_judged
from cairn.mastery.rapid import NO_LIMIT, NOT_TIMED, NOTHING_RAPID, RapidLimits, own_limits
from cairn.mastery.responses import Entries, Responses, from_entries, item_names
from cairn.mastery.share.model import rapid_limits
from cairn.mastery.states import COLUMNS
from cairn.settings import Settings
from spark_jobs import tasks
from spark_jobs.mastery_bucket import CODED, current_evidence
from spark_jobs.night_record import EVIDENCE

# Counted answers on competencies that a fit looks at, at most (whole pupils: a little more): twice as many take twice
# as long, and a district's first night waits for it.
MOST_RESPONSES = 150_000

Codes = npt.NDArray[np.int32]
Kept = TypeVar("Kept", bound=np.generic)


@dataclass(frozen=True)
class Sample:
    """What was read: responses to fit on, the names of items that stand for answers that named none.

    limits_ms: the limit for rapid guesses of items with one of their own, by name, as these responses were counted by.
    pupils, answers: of whom counted evidence was seen, the judged ones too (theirs without limits of items' own);
    unreadable: what was left out and why.
    """

    responses: Responses
    limits_ms: dict[str, int]
    unnamed: frozenset[str]
    pupils: int
    answers: int
    unreadable: list[str]


@dataclass(frozen=True)
class _Part:
    """Answers of some whole pupils of a bucket that count but for their speed, a row an answer and competency (n).

    duration_ms: NOT_TIMED where it is not told; is_single: one answer, no total. pupil, skill, item: codes of the names
    beside; is_named: of items. judged_pupils, judged_answers: of pupils who are seen and left out. problem: why the
    bucket could not be read.
    """

    pupil: Codes
    skill: Codes
    item: Codes
    event: npt.NDArray[np.uint64]
    at_us: IntArray
    correct: FloatArray
    duration_ms: IntArray
    is_single: BoolArray
    pupils: int
    skills: list[str]
    items: list[str]
    is_named: BoolArray
    judged_pupils: int = 0
    judged_answers: int = 0
    problem: str = ""


def read_sample(context: SparkContext, settings: Settings, config: MasteryConfig, evidence_version: int) -> Sample:
    """Read the sample from a version of the evidence, one task a bucket. What cannot be read is named and left out."""
    rule = config.evidence
    by_bucket = lake.by_number(lake.table_files(settings, EVIDENCE, lake.EVERY, evidence_version), "pupil_bucket")
    most = -(-MOST_RESPONSES // max(1, len(by_bucket)))
    work = [by_bucket[bucket] for bucket in sorted(by_bucket)]
    parts = tasks.run(context, "sample to fit", work, lambda files: _of_bucket(files, settings, rule, most))
    unreadable = [part.problem for part in parts if part.problem]
    for problem in unreadable:
        sys.stderr.write(f"sample to fit: left out what cannot be read: {problem}\n")
    return _together([part for part in parts if not part.problem], unreadable, config)


def _of_bucket(files: list[lake.File], settings: Settings, rule: EvidenceRule, most: int) -> _Part:
    """A bucket's part: the pupils with the lowest keys, until they have enough answers."""
    tables: list[pa.Table] = []
    size, judged_pupils, judged_answers = 0, 0, 0
    try:
        for table in _whole_pupils(files, settings, rule):
            # Limits of the items' own are made of the quick ones too.
            counted = arrow.counted_rows(table, rule, NOTHING_RAPID)
            is_judged = are_judged(counted["student_key"])
            judged_pupils += _pupils(counted, is_judged)
            judged_answers += int((is_judged & ~_are_rapid(counted, rapid_limits(rule, None))).sum())
            tables.append(_first_pupils(arrow.kept(counted, ~is_judged), most - size))
            size += tables[-1].num_rows
            if size >= most:
                break
    except (OSError, pa.ArrowInvalid) as error:
        return _part(None, rule, 0, 0, str(error).splitlines()[0][:300])
    table = pa.concat_tables(tables).unify_dictionaries() if tables else None
    return _part(table, rule, judged_pupils, judged_answers)


def _whole_pupils(files: list[lake.File], settings: Settings, rule: EvidenceRule) -> Iterator[pa.Table]:
    """Usable evidence that stands in a bucket, whole pupils at a time, lowest keys first.

    A bucket's one file lies in order of pupils, so that its beginning is whole pupils but for the last.
    """
    if len(files) > 1:  # what stands is told by all of them
        yield arrow.usable(current_evidence(settings, files), rule)
        return
    rest: list[pa.Table] = []
    for portion in lake.read_portions(settings, EVIDENCE, files[0], COLUMNS, CODED):
        rest.append(arrow.usable(portion, rule))
        table = pa.concat_tables(rest).unify_dictionaries()
        if not table.num_rows:
            continue
        last = frozenset(table["student_key"].slice(table.num_rows - 1).to_pylist())
        is_last = arrow.is_in(table["student_key"], last)
        rest = [arrow.kept(table, is_last)]
        if not is_last.all():
            yield arrow.kept(table, ~is_last)
    yield from rest


def _are_rapid(table: pa.Table, limits: RapidLimits) -> BoolArray:
    """Which rows are rapid guesses."""
    item = arrow.item_codes(table["item_id"], arrow.integers(table["work_date"]))
    return limits.are_rapid(item, arrow.integers(table["duration_ms"], missing=NOT_TIMED))


def _pupils(table: pa.Table, chosen: BoolArray) -> int:
    """How many pupils the chosen rows are of."""
    return int(np.unique(arrow.coded_unsorted(table["student_key"])[0][chosen]).size)


def _first_pupils(table: pa.Table, most: int) -> pa.Table:
    """The rows of the pupils with the lowest keys, as many as give ``most`` rows or just more, in order of the key."""
    pupil, _ = arrow.coded(table["student_key"])
    order = np.argsort(pupil, kind="stable")
    before = np.searchsorted(pupil[order], pupil[order])
    return table.take(pa.array(order[before < most]))


def _part(
    table: pa.Table | None, rule: EvidenceRule, judged_pupils: int, judged_answers: int, problem: str = ""
) -> _Part:
    """Rows as arrays that travel well."""
    if table is None:
        none, no = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=bool)
        hashes, times = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        told = hashes, times, np.zeros(0), times, no
        return _Part(none, none, none, *told, 0, [], [], no, judged_pupils, judged_answers, problem)
    pupil, pupils = arrow.coded(table["student_key"])
    skill, skills = arrow.coded(table["competency_id"])
    item, items = arrow.coded(item_names(table))
    is_named = np.zeros(len(items), dtype=bool)
    is_named[item[~np.asarray(table["item_id"].is_null())]] = True
    return _Part(
        pupil=pupil.astype(np.int32),
        skill=skill.astype(np.int32),
        item=item.astype(np.int32),
        event=hashing.hash_texts(table["event_id"]),
        at_us=arrow.integers(table["event_time"]),
        correct=table["correct"].to_numpy(),
        duration_ms=arrow.integers(table["duration_ms"], missing=NOT_TIMED),
        is_single=~arrow.is_in(table["activity_type"], rule.total_types),
        pupils=len(pupils),
        skills=skills,
        items=items,
        is_named=is_named,
        judged_pupils=judged_pupils,
        judged_answers=judged_answers,
    )


def _together(parts: list[_Part], unreadable: list[str], config: MasteryConfig) -> Sample:
    """The parts of all buckets, with codes of their own. Keys of pupils do not travel: numbers stand for them."""
    skills = sorted({name for part in parts for name in part.skills})
    items = sorted({name for part in parts for name in part.items})
    skill_place, item_place = ({name: code for code, name in enumerate(names)} for names in (skills, items))
    first_pupil = np.cumsum([0, *(part.pupils for part in parts)])
    named = {name for part in parts for name, told in zip(part.items, part.is_named.tolist(), strict=True) if told}
    pupils = int(first_pupil[-1])
    entries = Entries(
        user=_joined([part.pupil + first for part, first in zip(parts, first_pupil, strict=False)], np.int64),
        skill=_joined([_placed(part.skill, part.skills, skill_place) for part in parts], np.int64),
        item=_joined([_placed(part.item, part.items, item_place) for part in parts], np.int64),
        event=_joined([part.event for part in parts], np.uint64),
        at_us=_joined([part.at_us for part in parts], np.int64),
        correct=_joined([part.correct for part in parts], np.float64),
        users=[str(number) for number in range(pupils)],
        skills=skills,
        items=items,
    )
    duration_ms = _joined([part.duration_ms for part in parts], np.int64)
    is_single = _joined([part.is_single for part in parts], np.bool_)
    entries, limits_ms = by_own_limits(entries, duration_ms, is_single, named, config)
    responses = from_entries(entries, config.evidence.right_from, has_items=bool(named))
    return Sample(
        responses=responses,
        limits_ms=limits_ms,
        unnamed=frozenset(responses.items) - named,
        pupils=pupils + sum(part.judged_pupils for part in parts),
        answers=int(entries.user.size) + sum(part.judged_answers for part in parts),
        unreadable=unreadable,
    )


def by_own_limits(
    entries: Entries, duration_ms: IntArray, is_single: BoolArray, named: set[str], config: MasteryConfig
) -> tuple[Entries, dict[str, int]]:
    """(what counts, the limits of items by name): the limits are of the entries' own times, and what is quicker goes.

    ``duration_ms``, ``is_single``: of each entry, as in :class:`_Part`; ``named``: the items that answers name.
    """
    is_named = np.array([name in named for name in entries.items], dtype=bool)
    # An answer on several competencies took its time once.
    first = np.unique(entries.event, return_index=True)[1]
    first = first[is_single[first] & is_named[entries.item[first]]]
    limits = own_limits(entries.item[first], duration_ms[first], len(entries.items), config.fit.rapid)
    keys = hashing.item_keys(pa.array(entries.items, pa.string()))
    rule = config.evidence
    all_limits = RapidLimits.of(rule.rapid_guess_ms, (keys, limits), rule.rapid_guess_ms_by_item)
    kept = ~all_limits.are_rapid(keys[entries.item], duration_ms)
    own = {name: limit for name, limit in zip(entries.items, limits.tolist(), strict=True) if limit != NO_LIMIT}
    return entries.of(kept), own


def _placed(codes: Codes, names: list[str], place: dict[str, int]) -> IntArray:
    """Codes of a part's names as codes of all parts' names."""
    found: IntArray = np.array([place[name] for name in names], dtype=np.int64)[codes]
    return found


def _joined(arrays: list[npt.NDArray[Kept]], kind: type[Kept]) -> npt.NDArray[Kept]:
    return np.concatenate(arrays).astype(kind) if arrays else np.zeros(0, dtype=kind)
