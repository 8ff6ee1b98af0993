"""64-bit hashes of text columns, the same on every machine and in every version: buckets, pair keys, decision ids.

FNV-1a over the UTF-8 bytes, then the finaliser of splitmix64, so that near texts land far apart. Not for secrets.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HashArray = npt.NDArray[np.uint64]
ByteBuffer = npt.NDArray[np.uint8]

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)


@numba.njit(cache=True, nogil=True)
def _finish(value: np.uint64) -> np.uint64:
    """The finaliser of splitmix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _hash_bytes(data: ByteBuffer, offsets: npt.NDArray[np.int32]) -> HashArray:
    out = np.empty(offsets.size - 1, dtype=np.uint64)
    for row in range(offsets.size - 1):
        value = _OFFSET
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * _PRIME
        out[row] = _finish(value)
    return out


@numba.njit(cache=True, nogil=True)
def _mix(first: HashArray, second: HashArray) -> HashArray:
    out = np.empty(first.size, dtype=np.uint64)
    for row in range(first.size):
        out[row] = _finish(first[row] * np.uint64(0x9E3779B97F4A7C15) + second[row])
    return out


def item_keys(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A positive 62-bit hash of each item's name, so that negative numbers are left for items without one."""
    keys: npt.NDArray[np.int64] = (hash_texts(column) >> np.uint64(2)).astype(np.int64)
    return keys


def mix(first: HashArray, second: HashArray) -> HashArray:
    """One hash a row of two; which of them comes first matters."""
    mixed: HashArray = _mix(np.ascontiguousarray(first), np.ascontiguousarray(second))
    return mixed


def hash_texts(column: pa.Array | pa.ChunkedArray) -> HashArray:
    """The hash of each text (n); 0 for null. Dictionary columns are hashed once a value."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        values = np.append(hash_texts(array.dictionary), np.uint64(0))
        codes = pc.fill_null(array.indices, len(values) - 1).to_numpy(zero_copy_only=False)
        found: HashArray = values[codes]
        return found
    if len(array) == 0:
        return np.empty(0, dtype=np.uint64)
    array = array.cast(pa.string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.empty(0, dtype=np.uint8)
    hashes: HashArray = _hash_bytes(raw, bounds)
    if array.null_count:
        hashes[np.asarray(pc.is_null(array))] = 0
    return hashes


def pair_keys(student: HashArray, competency: HashArray) -> npt.NDArray[np.int64]:
    """The key of each pair of pupil and competency (n), from their hashes.

    Two of a district's 25 million pairs share a key with a chance of 2 in 100,000.
    """
    keys: npt.NDArray[np.int64] = mix(student, competency).view(np.int64)
    return keys


def buckets_of(column: pa.Array | pa.ChunkedArray, buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each text (n), 0 to ``buckets`` - 1."""
    return (hash_texts(column) % np.uint64(buckets)).astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _write_hex(high: HashArray, low: HashArray) -> ByteBuffer:
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    out = np.empty(high.size * 32, dtype=np.uint8)
    for row in range(high.size):
        for half in range(2):
            value = high[row] if half == 0 else low[row]
            for place in range(16):
                out[row * 32 + half * 16 + 15 - place] = digits[value & np.uint64(15)]
                value >>= np.uint64(4)
    return out


def hex_texts(high: HashArray, low: HashArray) -> pa.StringArray:
    """Both hashes of each row as 32 hexadecimal digits."""
    offsets = np.arange(high.size + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(high.size, pa.py_buffer(offsets), pa.py_buffer(_write_hex(high, low)))
