"""How well a model predicts the next response: AUC pooled and within student, RMSE, log-loss, calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray

CALIBRATION_BINS = 10
CLIP = 1e-6


def midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, ties sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2.0)[inverse]
    return ranks


def auc(correct: ByteArray, predicted: FloatArray) -> float:
    """Area under the ROC curve by the rank-sum (Mann-Whitney), ties counting half; NaN where one outcome is missing."""
    right = int(np.count_nonzero(correct))
    wrong = correct.size - right
    if right == 0 or wrong == 0:
        return float("nan")
    rank_sum = float(midranks(predicted)[correct == 1].sum())
    return (rank_sum - right * (right + 1) / 2.0) / (right * wrong)


def auc_within_student(correct: ByteArray, predicted: FloatArray, student: IntArray) -> float:
    """Mean over students of the AUC among the student's own responses; students with one outcome only are left out."""
    order = np.lexsort((predicted, student))
    owner, value, outcome = student[order], predicted[order], correct[order].astype(np.float64)
    if owner.size == 0:
        return float("nan")
    # Midranks within a student: runs of equal prediction share the mean of their positions.
    is_new_student = np.r_[True, owner[1:] != owner[:-1]]
    is_new_run = is_new_student | np.r_[True, value[1:] != value[:-1]]
    position = np.arange(owner.size)
    runs = np.flatnonzero(is_new_run)
    ends = np.r_[runs[1:], owner.size]
    middle = ((runs + ends - 1) / 2.0)[np.cumsum(is_new_run) - 1]
    begins = np.flatnonzero(is_new_student)
    first = position[begins][np.cumsum(is_new_student) - 1]
    ranks = middle - first + 1.0
    right = np.add.reduceat(outcome, begins)
    total = np.diff(np.r_[begins, owner.size])
    rank_sum = np.add.reduceat(ranks * outcome, begins)
    has_both = (right > 0) & (right < total)
    if not has_both.any():
        return float("nan")
    r, n = right[has_both], total[has_both]
    return float(np.mean((rank_sum[has_both] - r * (r + 1) / 2.0) / (r * (n - r))))


def calibration_error(correct: ByteArray, predicted: FloatArray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: mean gap between predicted and actual share right over equal-width bins."""
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=predicted - correct, minlength=bins)
    return float(np.abs(gap).sum() / max(1, correct.size))


def metrics(correct: ByteArray, predicted: FloatArray, student: IntArray) -> dict[str, Any]:
    """All of them, by the names of the command line; ``correct`` 0 or 1, one prediction a response."""
    clipped = np.clip(predicted, CLIP, 1.0 - CLIP)
    surprise = np.where(correct == 1, np.log(clipped), np.log1p(-clipped))
    return {
        "auc": auc(correct, predicted),
        "auc_within_student": auc_within_student(correct, predicted, student),
        "rmse": float(np.sqrt(np.mean((predicted - correct) ** 2))),
        "log_loss": float(-np.mean(surprise)),
        "ece": calibration_error(correct, predicted),
        "responses": int(correct.size),
        "students": int(np.unique(student).size),
    }
