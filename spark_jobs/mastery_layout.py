"""How the rows of mastery's tables lie in their files: one place for nights, rebuilds and compaction alike."""

from __future__ import annotations

import lake
from cairn.mastery.share.columns import PAIR_SUMS, PUPIL_SUMS
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE, WAITING

# Sorted by pupil, and few pupils a row group: a night reads the evidence, days and decisions of the late ones alone.
_FEW_PUPILS = 8 * 1024
LAYOUT = {
    EVIDENCE: lake.Layout(_FEW_PUPILS, ("event_id", "statement_key", "event_time", "duration_ms")),
    WAITING: lake.Layout(),
    # A night's few pairs lie everywhere in a bucket, so that all of its states are read for them, every night: this
    # layout reads in half the time of the other (measured on a bucket of half a million pairs).
    STATE: lake.Layout(
        plain=(
            "pair_key",
            "pupil_key",
            "evidence_hash",
            "recent_attempts",
            "counted_items",
            "first_event_at",
            "last_event_at",
            "state_since_at",
            *PAIR_SUMS,
            *PUPIL_SUMS,
        ),
        compression="lz4",
    ),
    DAY: lake.Layout(_FEW_PUPILS, ("pair_key", "duration_ms", "first_event_at", "last_event_at")),
    DECISION: lake.Layout(_FEW_PUPILS, ("decision_id", "pair_key", "evidence_hash", "decided_at")),
}
