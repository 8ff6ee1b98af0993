"""Work handed to Spark's Python workers, piece by piece, and what each worker does once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from pyspark import SparkContext

from spark_jobs.progress import shown

Piece = TypeVar("Piece")
Result = TypeVar("Result")
# A task costs about a tenth of a second beside its work: small pieces share some, a few a core so that none waits long.
TASKS_PER_CORE = 4


def run(
    context: SparkContext,
    what: str,
    pieces: Sequence[Piece],
    work: Callable[[Piece], Result],
    *,
    is_small: bool = False,
) -> list[Result]:
    """Do ``work`` on every piece, and return what it says of each, in their order; progress under the name ``what``.

    One task a piece, the first ones first; where the pieces are small, a few tasks a core. ``work`` and what it
    returns travel between processes: files and counts, never rows.
    """
    if not pieces:
        return []
    count = min(len(pieces), TASKS_PER_CORE * context.defaultParallelism) if is_small else len(pieces)
    # Every task gets early and late ones: the pieces may come in order of their size.
    dealt = [place for first in range(count) for place in range(first, len(pieces), count)]

    def worked(some: Iterable[Piece]) -> Iterator[Result]:
        settle()
        return map(work, some)

    with shown(context, what, count):
        done = context.parallelize([pieces[place] for place in dealt], count).mapPartitions(worked).collect()
    of_place = dict(zip(dealt, done, strict=True))
    return [of_place[place] for place in range(len(pieces))]


def settle() -> None:
    """Take what a worker has loaded out of the garbage collector's sight, once a process.

    A worker collects garbage after every task; with numba, Arrow and our own modules loaded that took longer than a
    small task itself (measured: 0.2 s).
    """
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
