"""The pupils by whom models are judged: a fifth of all, by a hash of the key, the same ones every time.

No model of nights is fitted on their work, so that every version can be judged on it.
"""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow
from cairn.mastery.evidence import BoolArray

# One pupil in so many.
EVERY = 5


def is_judged(student_key: str) -> bool:
    """Whether the pupil is one of them."""
    return zlib.crc32(student_key.encode()) % EVERY == 0


def are_judged(students: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Which rows are of such pupils; none is empty."""
    codes, names = arrow.coded_unsorted(students)
    found: BoolArray = np.array([is_judged(name) for name in names.to_pylist()], dtype=bool)[codes]
    return found
