"""An audit of some standing pairs: does where they stand follow from their days, and is there evidence for it?

Bounded whatever the district's size: a few buckets, and of each about a thousand pairs of pupils who follow each other
in the bucket's order, so that few row groups are read. Other buckets and pupils every night.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import arrow, bkt
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.gold_rows import STRETCH_COLUMNS
from cairn.mastery.ledger import DAY as DAY_KEYS
from cairn.mastery.ledger import newest, row_keys
from cairn.mastery.models import DEFAULT
from cairn.mastery.resolve import standing
from cairn.settings import Settings
from spark_jobs.night_record import DAY, EVIDENCE, STATE, NightRecord

MOST_BUCKETS = 2
PAIRS_PER_BUCKET = 1_000
SAME = 1e-9
STATE_COLUMNS = (
    "student_key",
    "competency_id",
    "pair_key",
    "p_known",
    "counted_attempts",
    "model_version",
    "is_removed",
    "night",
)
DAY_COLUMNS = ("pair_key", "work_date", *STRETCH_COLUMNS, "is_removed", "night")
EVIDENCE_COLUMNS = ("student_key", "competency_id", "event_id", "is_removed", "night")
SCHEMA = pa.schema([("student_key", pa.string()), ("pair_key", pa.int64()), ("fits", pa.bool_())])


def audit(settings: Settings, last: NightRecord) -> pa.Table:
    """The audited pairs (student_key, pair_key), with ``fits``: whether the state follows from the rest.

    It fits where the pair's days, merged in order from the prior of its model, give its P(known), and where it has no
    more counted attempts than evidence.
    """
    unfinished = set(last.unfinished_buckets)
    files = lake.table_files(settings, STATE, lake.EVERY, last.versions[STATE])
    buckets = sorted(set(lake.by_number(files, "pupil_bucket")) - unfinished)
    first = last.night * MOST_BUCKETS
    chosen = {buckets[(first + i) % len(buckets)] for i in range(MOST_BUCKETS)} if buckets else set()
    return pa.concat_tables([SCHEMA.empty_table(), *(_bucket(settings, last, bucket) for bucket in sorted(chosen))])


def _bucket(settings: Settings, last: NightRecord, bucket: int) -> pa.Table:
    states = newest(_read(settings, last, STATE, bucket, STATE_COLUMNS), ("pair_key",))
    states = _of_some_pupils(states.filter(pc.invert(states["is_removed"])), last.night)
    if states.num_rows == 0:
        return SCHEMA.empty_table()
    students = pc.unique(states["student_key"])
    ends = pc.min_max(students).as_py()
    # The bounds beside the list let Arrow pass over row groups.
    theirs = (pc.field("student_key") >= ends["min"]) & (pc.field("student_key") <= ends["max"])
    theirs &= pc.field("student_key").isin(students)
    days = newest(_read(settings, last, DAY, bucket, DAY_COLUMNS, theirs), DAY_KEYS)
    days = days.filter(pc.invert(days["is_removed"]))
    rows = _read(settings, last, EVIDENCE, bucket, EVIDENCE_COLUMNS, theirs)
    evidence = standing(rows, row_keys(rows, ("event_id", "competency_id", "student_key")))
    known = _known_after(arrow.integers(states["pair_key"]), _priors(settings, states), days)
    fits = np.abs(known - arrow.floats(states["p_known"])) <= SAME  # a prior that is not known fits nothing
    fits &= arrow.integers(states["counted_attempts"]) <= _rows_of(states, evidence)
    return pa.table([states["student_key"], states["pair_key"], pa.array(fits)], schema=SCHEMA)


def _read(
    settings: Settings,
    last: NightRecord,
    name: str,
    bucket: int,
    columns: tuple[str, ...],
    filters: pc.Expression | None = None,
) -> pa.Table:
    return lake.read(settings, name, columns, filters, {"pupil_bucket": [bucket]}, last.versions[name])


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


def _priors(settings: Settings, states: pa.Table) -> FloatArray:
    """P(known) before any evidence of each pair, by its model's version; NaN where that is not on record."""
    rows = lake.read(settings, "gold.mastery_model", ["model_version", "competency_id", "prior"]).to_pylist()
    prior = {(row["model_version"], row["competency_id"]): float(row["prior"]) for row in rows}
    pairs = zip(states["model_version"].to_pylist(), states["competency_id"].to_pylist(), strict=True)
    return np.array(
        [prior.get((version, name), prior.get((version, DEFAULT), np.nan)) for version, name in pairs], dtype=np.float64
    )


def _known_after(keys: IntArray, start: FloatArray, days: pa.Table) -> FloatArray:
    """P(known) of each pair after its days, in order of day."""
    day_key, work_date = arrow.integers(days["pair_key"]), arrow.integers(days["work_date"])
    order = np.lexsort((work_date, day_key))
    stretches = np.column_stack([arrow.floats(days[name]) for name in STRETCH_COLUMNS])[order]
    begin, end = np.searchsorted(day_key[order], keys, "left"), np.searchsorted(day_key[order], keys, "right")
    known = start.copy()
    for pair in range(keys.size):
        for place in range(begin[pair], end[pair]):
            known[pair] = bkt.apply(known[pair], stretches[place])[0]
    return known


def _rows_of(states: pa.Table, evidence: pa.Table) -> IntArray:
    """How many rows of evidence each pair has."""
    pair = ("student_key", "competency_id")
    keys, counts = np.unique(row_keys(evidence, pair), return_counts=True)
    wanted = row_keys(states, pair)
    if keys.size == 0:
        return np.zeros(wanted.size, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    found: IntArray = np.where(keys[place] == wanted, counts[place], 0).astype(np.int64)
    return found
