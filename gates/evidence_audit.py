"""An audit of some standing pairs: does where they stand follow from their pupils' evidence, folded anew?

Bounded whatever the district's size: a few buckets, and of each the pupils of about a thousand pairs who follow each
other in the bucket's order, so that few row groups are read. Other buckets and pupils every night.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.evidence.times import microseconds
from cairn.mastery import arrow
from cairn.mastery.config import load_config
from cairn.mastery.evidence import BoolArray
from cairn.mastery.gold_rows import Night
from cairn.mastery.ledger import newest
from cairn.mastery.share.columns import SHARE_COLUMNS
from cairn.mastery.share.model import GENERAL
from cairn.mastery.states import restate
from cairn.settings import Settings
from spark_jobs import mastery_model, policies
from spark_jobs.mastery_bucket import current_evidence
from spark_jobs.night_record import EVIDENCE, STATE, NightRecord

MOST_BUCKETS = 2
PAIRS_PER_BUCKET = 1_000
SAME = 1e-9
SHARES = ("expected_share", "share_low", "share_high")
STATE_COLUMNS = (
    "student_key",
    "competency_id",
    "pair_key",
    "state",
    *SHARES,
    *SHARE_COLUMNS,
    "policy_version",
    "is_removed",
    "night",
)
SCHEMA = pa.schema([("student_key", pa.string()), ("pair_key", pa.int64()), ("fits", pa.bool_())])


def audit(settings: Settings, last: NightRecord) -> pa.Table:
    """The audited pairs (student_key, pair_key), with ``fits``: whether the state follows from the evidence.

    It fits where the pupil's evidence, folded from nothing with the night's model, gives the same sums and shares (to
    1e-9) and, by the same policies, the same state.
    """
    unfinished = set(last.unfinished_buckets)
    files = lake.table_files(settings, STATE, lake.EVERY, last.versions[STATE])
    buckets = sorted(set(lake.by_number(files, "pupil_bucket")) - unfinished)
    first = last.night * MOST_BUCKETS
    chosen = {buckets[(first + i) % len(buckets)] for i in range(MOST_BUCKETS)} if buckets else set()
    if not chosen or GENERAL not in last.model_versions:
        return SCHEMA.empty_table()
    model = mastery_model.model_of(settings, last.model_versions[GENERAL])
    as_of_us = microseconds(last.as_of)
    subjects = policies.subject_of(settings, last.versions.get(policies.COMPETENCY))
    night = Night(load_config(settings), model, as_of_us, last.data_date, subjects)
    return pa.concat_tables([_bucket(settings, last, bucket, night) for bucket in sorted(chosen)])


def _bucket(settings: Settings, last: NightRecord, bucket: int, night: Night) -> pa.Table:
    at, version = {"pupil_bucket": [bucket]}, last.versions[STATE]
    states = newest(lake.read(settings, STATE, STATE_COLUMNS, partitions=at, version=version), ("pair_key",))
    states = _of_some_pupils(states.filter(pc.invert(states["is_removed"])), last.night)
    if states.num_rows == 0:
        return SCHEMA.empty_table()
    files = lake.table_files(settings, EVIDENCE, at, last.versions[EVIDENCE])
    evidence = current_evidence(settings, files, pc.unique(states["student_key"]).cast(pa.string()))
    fits = _fit(states, restate(evidence, night).mastery_state, night, last)
    return pa.table([states["student_key"], states["pair_key"], pa.array(fits)], schema=SCHEMA)


def _fit(states: pa.Table, again: pa.Table, night: Night, last: NightRecord) -> BoolArray:
    """Whether each state is the one that its pair has again; a pair that has none again does not fit."""
    place = arrow.places_in(arrow.integers(again["pair_key"]), arrow.integers(states["pair_key"]))
    fits = place >= 0
    again = again.take(pa.array(np.maximum(place, 0))) if again.num_rows else states
    # The level of the interval may be another one by now.
    is_same_file = night.config.policy_version == last.policy_version
    for name in (*(SHARES if is_same_file else SHARES[:1]), *SHARE_COLUMNS):
        fits &= np.abs(arrow.floats(again[name]) - arrow.floats(states[name])) <= SAME
    said, says = (table["state"].cast(pa.string()) for table in (states, again))
    return fits & (np.asarray(pc.equal(said, says)) | ~_is_by_its_policies(states, night, last))


def _is_by_its_policies(states: pa.Table, night: Night, last: NightRecord) -> BoolArray:
    """Whether each state was said by the policies that the file holds now: it may have been changed since the night."""
    config = night.config
    if len(config.policies) > 1:
        return np.full(states.num_rows, config.policy_version == last.policy_version)
    found: BoolArray = np.asarray(pc.equal(states["policy_version"], config.policy_version))
    return found


def _of_some_pupils(states: pa.Table, night: int) -> pa.Table:
    """The rows of pupils who follow each other by key, from one that differs by night, up to about the limit."""
    states = states.sort_by([("student_key", "ascending"), ("pair_key", "ascending")])
    codes = arrow.coded(states["student_key"])[0]
    if codes.size == 0:
        return states
    # The golden ratio spreads the starts of successive nights over all pupils.
    start = min(int((night * 0.6180339887) % 1.0 * codes.size), max(0, codes.size - PAIRS_PER_BUCKET))
    first, last = codes[start], codes[min(start + PAIRS_PER_BUCKET, codes.size) - 1]
    begin, end = np.searchsorted(codes, first, "left"), np.searchsorted(codes, last, "right")
    return states.slice(int(begin), int(end - begin))
