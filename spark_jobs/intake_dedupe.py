"""New, duplicate or conflict: the batch against itself and against every event accepted before."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

# The batch is the small side of both joins. The first copy in order of (partition, offset) stands, so that a replay of
# the same offsets judges the same.
_HITS = """
select event_hash, event_id, keys.content_hash as known_hash
from keys join (select event_hash, event_id from batch) as asked using (event_hash, event_id)
where not (intake_app_id = $app_id and batch_id = $batch_id)
"""
# Only events that were met before, here or there, need an order: nearly all are new and are passed by on their hash.
_REPEATS = """
with known as (select event_hash, event_id, any_value(known_hash) as known_hash from hits group by all),
met as (
    select event_hash from batch group by event_hash having count(*) > 1
    union
    select event_hash from known
),
ranked as (
    select
        row_index, event_hash, event_id, content_hash,
        row_number() over w as place, first_value(content_hash) over w as first_hash
    from batch semi join met using (event_hash)
    window w as (partition by event_id order by kafka_partition, kafka_offset)
)
select
    row_index,
    case when content_hash = coalesce(known_hash, first_hash) then 'duplicate' else 'conflict' end as fate
from ranked left join known using (event_hash, event_id)
where place > 1 or known_hash is not null
order by row_index
"""


def repeats(batch: pa.Table, keys: pa.Table, app_id: str, batch_id: int) -> dict[int, str]:
    """Rows of the batch that repeat an event: row index to ``duplicate`` or ``conflict``.

    ``batch`` has row_index, kafka_partition, kafka_offset, event_hash, event_id and content_hash of the sound events.
    ``keys`` are the rows of silver.activity_key with one of the batch's hashes (as KeyIndex.accepted gives them); the
    id decides. Rows that this very batch wrote before it was interrupted are left out, else each of its events would
    look like a duplicate of itself.
    """
    hashes = np.sort(batch.column("event_hash").to_numpy())
    if keys.num_rows == 0 and not np.any(hashes[1:] == hashes[:-1]):
        return {}  # nearly every batch
    connection = duckdb.connect()
    try:
        connection.execute("set memory_limit = '1GB'; set threads = 2")
        connection.register("batch", batch)
        connection.register("keys", keys)
        identity = {"app_id": app_id, "batch_id": batch_id}
        connection.register("hits", connection.sql(_HITS, params=identity).to_arrow_table())
        found = connection.execute(_REPEATS).fetchall()
    finally:
        connection.close()
    return dict(found)
