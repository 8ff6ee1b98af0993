"""A key table of any size, as a year of intake leaves it: a large run and small ones a bucket, recent files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import lake
from cairn.settings import Settings
from spark_jobs import key_index

# Shares of a bucket's keys by run: one that was merged often, and what was filed since.
RUNS = (0.88, 0.06, 0.02, 0.02, 0.02)
RECENT_FILES = 32
RECENT_ROWS = 500
PORTION_ROWS = 500_000
PUPILS = 60_000
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def texts(rng: np.random.Generator, rows: int, width: int, dashes: tuple[int, ...] = ()) -> pa.Array:
    """Random hexadecimal texts of one width."""
    letters = _HEX[rng.integers(0, 16, (rows, width), np.uint8)]
    for place in dashes:
        letters[:, place] = ord("-")
    offsets = pa.py_buffer(np.arange(0, (rows + 1) * width, width, dtype=np.int32).tobytes())
    return pa.StringArray.from_buffers(rows, offsets, pa.py_buffer(letters.tobytes()))


@cache
def texts_of_rows() -> pa.Table:
    """The columns beside the hash, of a portion's rows; portions share them, which no look-up can tell."""
    rng = np.random.default_rng(1)
    pupils = pa.array([f"s1_{pupil:032x}" for pupil in range(PUPILS)])
    codes = pa.array(rng.integers(0, PUPILS, PORTION_ROWS, np.int32))
    return pa.table(
        {
            "event_id": texts(rng, PORTION_ROWS, 36, (8, 13, 18, 23)),
            "content_hash": texts(rng, PORTION_ROWS, 64),
            "subject_key": pa.DictionaryArray.from_arrays(codes, pupils).cast(pa.string()),
            "intake_app_id": pa.repeat("intake-before", PORTION_ROWS),
            "batch_id": pa.repeat(pa.scalar(0, pa.int64()), PORTION_ROWS),
        }
    )


def keys_of(hashes: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of the key table under these hashes."""
    return texts_of_rows().slice(0, len(hashes)).append_column("event_hash", pa.array(hashes))


def run_of(rng: np.random.Generator, bucket: int, buckets: int, rows: int) -> Iterator[pa.Table]:
    """A sorted run of a bucket, portion by portion of its range of hashes."""
    portions = -(-rows // PORTION_ROWS)
    width = 2**64 // buckets // portions
    for portion in range(portions):
        low = -(2**63) + bucket * (2**64 // buckets) + portion * width
        yield keys_of(np.sort(rng.integers(low, low + width, rows // portions, np.int64)))


def make_keys(settings: Settings, keys: int) -> None:
    """A key table of that many rows, as a year of intake leaves it."""
    rng = np.random.default_rng(keys)
    shares = RUNS if keys * min(RUNS) >= settings.key_buckets else (1.0,)
    lake.create(settings, key_index.TABLE)
    for bucket in range(settings.key_buckets):
        files = [
            lake.write_file(
                settings,
                key_index.TABLE,
                run_of(rng, bucket, settings.key_buckets, int(keys * share / settings.key_buckets)),
                {"hash_bucket": bucket},
                layout=key_index.LAYOUT,
            )
            for share in shares
        ]
        lake.commit_files(settings, key_index.TABLE, files)
    for _ in range(RECENT_FILES):
        lake.append(settings, key_index.TABLE, keys_of(rng.integers(-(2**63), 2**63, RECENT_ROWS, np.int64)))
