"""The pupil's work on all competencies, as it stood behind each counted answer: one state a pupil, in order of work."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.hashing import HashArray
from cairn.mastery.share.columns import pupil_states
from cairn.mastery.share.state import COUNT, PUPIL, append

_US = 1e6


def newest_of_pupils(rows: pa.Table | None, students: list[str]) -> FloatArray:
    """Each pupil's state (students x PUPIL.width) after all work that stands: of the row with the most answers behind.

    ``rows`` are of gold.mastery_state, columns student_key, last_event_at and the pupil's; who has none has no work.
    """
    start = PUPIL.empty(len(students))
    if rows is None or rows.num_rows == 0:
        return start
    place = {name: code for code, name in enumerate(students)}
    codes, names = arrow.coded(rows["student_key"])
    student = np.array([place.get(name, -1) for name in names], dtype=np.int64)[codes]
    states = pupil_states(rows)
    order = np.lexsort((states[:, COUNT], student))
    is_last = np.r_[student[order][1:] != student[order][:-1], True] & (student[order] >= 0)
    newest = order[is_last]
    start[student[newest]] = states[newest]
    return start


def states_behind(
    student: IntArray,
    time_us: IntArray,
    event_id: pa.Array | pa.ChunkedArray,
    event: HashArray,
    correct: FloatArray,
    residual: FloatArray,
    start: FloatArray,
    right_from: float,
) -> FloatArray:
    """The pupil's state behind each counted answer (n x PUPIL.width), from where pupils stood at ``start``.

    Rows are an answer and competency, in any order: an answer on several competencies (one event, by its id and hash)
    counts once, with the residual of the first of its rows. ``student`` is a place in ``start``; ``correct`` a
    share, which reads as right from ``right_from`` on.
    """
    order = _in_order(student, time_us, event_id)
    found: FloatArray = _behind(
        order, student, time_us, event, correct, residual, right_from, start.copy(), PUPIL.kept, PUPIL.seconds
    )
    return found


def _in_order(student: IntArray, time_us: IntArray, event_id: pa.Array | pa.ChunkedArray) -> IntArray:
    """The places in order of student, work time, event id and place.

    Each student's work is sorted by itself: that takes a tenth of the time that a sort of the whole bucket takes.
    """
    order: IntArray = _by_time(student, time_us)
    is_twin = (np.diff(student[order]) == 0) & (np.diff(time_us[order]) == 0)
    tied = np.flatnonzero(np.r_[is_twin, False] | np.r_[False, is_twin])
    if tied.size:
        rows = order[tied]
        rank = arrow.integers(pc.rank(event_id.take(pa.array(rows)), tiebreaker="dense"))
        order[tied] = rows[np.lexsort((rows, rank, time_us[rows], student[rows]))]
    return order


@numba.njit(cache=True, nogil=True)
def _by_time(student: IntArray, time_us: IntArray) -> IntArray:
    """The places in order of student and work time."""
    ends = np.zeros(student.max() + 2 if student.size else 1, dtype=np.int64)
    for owner in student:
        ends[owner + 1] += 1
    ends = np.cumsum(ends)
    filled, order = ends.copy(), np.empty(student.size, dtype=np.int64)
    for place in range(student.size):
        order[filled[student[place]]] = place
        filled[student[place]] += 1
    for owner in range(ends.size - 1):
        own = order[ends[owner] : ends[owner + 1]]
        order[ends[owner] : ends[owner + 1]] = own[np.argsort(time_us[own], kind="mergesort")]
    return order


@numba.njit(cache=True, nogil=True)
def _behind(
    order: IntArray,
    student: IntArray,
    time_us: IntArray,
    event: HashArray,
    correct: FloatArray,
    residual: FloatArray,
    right_from: float,
    states: FloatArray,
    kept: npt.NDArray[np.float64],
    halves: npt.NDArray[np.float64],
) -> FloatArray:
    found = np.empty((order.size, states.shape[1]))
    last = -1
    for i in order:
        is_same = last >= 0 and event[last] == event[i] and student[last] == student[i] and time_us[last] == time_us[i]
        if not is_same:
            is_right = correct[i] >= right_from
            append(states[student[i]], time_us[i] / _US, correct[i], is_right, residual[i], kept, halves)
        found[i] = states[student[i]]
        last = i
    return found
