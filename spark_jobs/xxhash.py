"""xxHash64 of texts, by column in numpy: the number that Spark's ``xxhash64(text)`` gives (seed 42), without Spark."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SEED = np.uint64(42)
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(number)
    for number in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


def xxhash64(texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The hash of each text, in order; of null the seed, as Spark has it."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    whole = whole.cast(pa.large_string()).cast(pa.large_binary())
    hashes = np.full(len(whole), SEED, np.uint64)
    if len(whole) == whole.null_count:
        return hashes.view(np.int64)
    _, offsets_buffer, data_buffer = whole.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    lengths = np.diff(offsets)
    is_text = np.asarray(whole.is_valid())
    with np.errstate(over="ignore"):
        for length in np.unique(lengths[is_text]):
            rows = np.flatnonzero(is_text & (lengths == length))
            places = offsets[rows][:, None] + np.arange(length)
            hashes[rows] = _of_equal_length(np.ascontiguousarray(data[places]), int(length))
    return hashes.view(np.int64)


def _of_equal_length(texts: Bytes, length: int) -> Words:
    """The algorithm as its specification has it: stripes of 32 bytes, then words, half a word, single bytes."""
    done = length // 32 * 32
    state = _stripes(_words(texts[:, :done])) if done else np.full(len(texts), SEED + _P5, np.uint64)
    state += np.uint64(length)
    while done + 8 <= length:
        state ^= _round(np.zeros_like(state), _words(texts[:, done : done + 8])[:, 0])
        state = _rotated(state, 27) * _P1 + _P4
        done += 8
    if done + 4 <= length:
        half = np.ascontiguousarray(texts[:, done : done + 4]).view("<u4")[:, 0].astype(np.uint64)
        state = _rotated(state ^ (half * _P1), 23) * _P2 + _P3
        done += 4
    for place in range(done, length):
        state = _rotated(state ^ (texts[:, place].astype(np.uint64) * _P5), 11) * _P1
    state = (state ^ (state >> np.uint64(33))) * _P2
    state = (state ^ (state >> np.uint64(29))) * _P3
    return state ^ (state >> np.uint64(32))


def _words(texts: Bytes) -> Words:
    return np.ascontiguousarray(texts).view("<u8")


def _stripes(words: Words) -> Words:
    starts = (SEED + _P1 + _P2, SEED + _P2, SEED, SEED - _P1)
    lanes = [np.full(len(words), start, np.uint64) for start in starts]
    for stripe in range(0, words.shape[1], 4):
        lanes = [_round(lane, words[:, stripe + place]) for place, lane in enumerate(lanes)]
    state = sum((_rotated(lane, turn) for lane, turn in zip(lanes, (1, 7, 12, 18), strict=True)), np.uint64(0))
    merged = np.asarray(state, np.uint64)
    for lane in lanes:
        merged = (merged ^ _round(np.zeros_like(lane), lane)) * _P1 + _P4
    return merged


def _round(lane: Words, word: Words) -> Words:
    return _rotated(lane + word * _P2, 31) * _P1


def _rotated(words: Words, bits: int) -> Words:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
