"""How well a model predicts the next response: AUC pooled and within student, RMSE, log-loss, calibration error.

Intervals are 95 % percentile bootstraps over pupils: responses of one pupil are not independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.groups import earlier_of_owner
from cairn.mastery.responses import Responses

CALIBRATION_BINS = 10
CLIP = 1e-6
DRAWS = 200
SEED = 1
INTERVAL = (2.5, 97.5)
# Opportunities (first, last) on the competency that are told apart; the first is the cold start.
OPPORTUNITIES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, None))


def midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, ties sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2.0)[inverse]
    return ranks


def auc(correct: FloatArray, predicted: FloatArray) -> float:
    """Area under the ROC curve by the rank-sum (Mann-Whitney), ties counting half; NaN where one outcome is missing.

    An answer that was partly right is so much of a right one, and the rest of a wrong one.
    """
    right = float(correct.sum())
    wrong = correct.size - right
    if right == 0 or wrong == 0:
        return float("nan")
    rank_sum = float((midranks(predicted) * correct).sum())
    return (rank_sum - right * (right + 1) / 2.0) / (right * wrong)


@dataclass(frozen=True)
class StudentAucs:
    """AUC among the own responses of each student who has right and wrong ones, and how many responses those are."""

    student: IntArray
    auc: FloatArray
    responses: IntArray


def student_aucs(correct: FloatArray, predicted: FloatArray, student: IntArray) -> StudentAucs:
    """The AUC of each student by itself; students with one outcome only are left out."""
    order = np.lexsort((predicted, student))
    owner, value, outcome = student[order], predicted[order], correct[order]
    if owner.size == 0:
        return StudentAucs(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
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
    r, n = right[has_both], total[has_both]
    aucs = (rank_sum[has_both] - r * (r + 1) / 2.0) / (r * (n - r))
    return StudentAucs(owner[begins][has_both], aucs, n)


def auc_within_student(correct: FloatArray, predicted: FloatArray, student: IntArray) -> float:
    """Mean over students of the AUC among the student's own responses, each student alike."""
    own = student_aucs(correct, predicted, student)
    return float(own.auc.mean()) if own.auc.size else float("nan")


def auc_within_student_weighted(correct: FloatArray, predicted: FloatArray, student: IntArray) -> float:
    """As :func:`auc_within_student`, each student by the number of responses."""
    own = student_aucs(correct, predicted, student)
    return float(np.average(own.auc, weights=own.responses)) if own.auc.size else float("nan")


def calibration_error(correct: FloatArray, predicted: FloatArray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: mean gap between predicted and actual share right over equal-width bins."""
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=predicted - correct, minlength=bins)
    return float(np.abs(gap).sum() / max(1, correct.size))


def metrics(correct: FloatArray, predicted: FloatArray, student: IntArray) -> dict[str, Any]:
    """All of them, by the names of the command line; ``correct``: the share right, one prediction a response."""
    return {
        "auc": auc(correct, predicted),
        "auc_within_student": auc_within_student(correct, predicted, student),
        "auc_within_student_weighted": auc_within_student_weighted(correct, predicted, student),
        "rmse": float(np.sqrt(np.mean((predicted - correct) ** 2))),
        "log_loss": log_loss(correct, predicted),
        "ece": calibration_error(correct, predicted),
        "responses": int(correct.size),
        "students": int(np.unique(student).size),
    }


def log_loss(correct: FloatArray, predicted: FloatArray) -> float:
    """Mean of minus the logarithm of the chance that was given to what happened; chances held off 0 and 1."""
    return float(np.mean(surprise(correct, predicted)))


def surprise(correct: FloatArray, predicted: FloatArray) -> FloatArray:
    """Minus the logarithm of the chance that was given to what happened, of each response."""
    clipped = np.clip(predicted, CLIP, 1.0 - CLIP)
    lost: FloatArray = -(correct * np.log(clipped) + (1.0 - correct) * np.log1p(-clipped))
    return lost


def measure(data: Responses, predicted: FloatArray) -> dict[str, Any]:
    """All metrics of predictions (one a response), by opportunity too, with their intervals over pupils.

    None stands for what cannot be told: an AUC of responses that are all right or all wrong.
    """
    found = metrics(data.correct, predicted, data.user)
    intervals = bootstrap(data.correct, predicted, data.user)
    by_number = by_opportunity(data, predicted)
    told: dict[str, Any] = {name: _told(value) for name, value in found.items()}
    told["interval95"] = {name: [_told(end) for end in ends] for name, ends in intervals.items()}
    told["by_opportunity"] = [{name: _told(value) for name, value in one.items()} for one in by_number]
    return told


def _told(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def by_opportunity(data: Responses, predicted: FloatArray) -> list[dict[str, Any]]:
    """Metrics by how often the pupil had met the response's skill, this time counted; 1 is the cold start.

    Of several skills the one that was met least often counts.
    """
    cell = data.user[data.response] * len(data.skills) + data.skill
    met = 1 + earlier_of_owner(cell)
    number = np.minimum.reduceat(met, data.entry_offsets()[:-1]) if met.size else met
    found = []
    for first, last in OPPORTUNITIES:
        chosen = (number >= first) & (number <= (last or number.max(initial=0)))
        if chosen.any():
            correct, chance = data.correct[chosen], predicted[chosen]
            name = str(first) if first == last else f"{first} to {last}" if last else f"{first} and later"
            one = {"opportunity": name, "auc": auc(correct, chance), "log_loss": log_loss(correct, chance)}
            found.append({**one, "ece": calibration_error(correct, chance), "responses": int(chosen.sum())})
    return found


def bootstrap(
    correct: FloatArray, predicted: FloatArray, student: IntArray, draws: int = DRAWS
) -> dict[str, list[float]]:
    """95 % intervals [low, high] of the metrics, pupils drawn with replacement (percentiles; seed fixed).

    NaN for fewer than two pupils. None for the calibration error: a draw's noise adds to a sum of absolute gaps, so its
    draws lie above it.
    """
    random = np.random.default_rng(SEED)
    _, pupil = np.unique(student, return_inverse=True)
    pupils = int(pupil.max()) + 1 if pupil.size else 0
    if pupils < 2:
        return {name: [float("nan")] * 2 for name in _BOOTSTRAPPED}
    size = np.bincount(pupil, minlength=pupils)
    lost = np.bincount(pupil, weights=surprise(correct, predicted), minlength=pupils)
    squared = np.bincount(pupil, weights=(predicted - correct) ** 2, minlength=pupils)
    own = student_aucs(correct, predicted, pupil)
    order = np.argsort(predicted, kind="stable")
    in_order, owner = correct[order], pupil[order]
    runs = np.flatnonzero(np.r_[True, np.diff(predicted[order]) > 0][: order.size])
    sums: dict[str, list[float]] = {name: [] for name in _BOOTSTRAPPED}
    for _ in range(draws):
        times = np.bincount(random.integers(0, pupils, pupils), minlength=pupils).astype(np.float64)
        total = float(times @ size)
        weight = times[own.student]
        sums["auc"].append(_weighted_auc(in_order, times[owner], runs))
        sums["auc_within_student"].append(_average(own.auc, weight))
        sums["auc_within_student_weighted"].append(_average(own.auc, weight * own.responses))
        sums["rmse"].append(float(np.sqrt(times @ squared / total)))
        sums["log_loss"].append(float(times @ lost / total))
    return {name: [float(np.nanpercentile(values, at)) for at in INTERVAL] for name, values in sums.items()}


_BOOTSTRAPPED = ("auc", "auc_within_student", "auc_within_student_weighted", "rmse", "log_loss")


def drawn_mean(values: FloatArray, pupil: IntArray) -> list[float] | None:
    """95 % interval of the mean, pupils drawn with replacement; None for fewer than two pupils."""
    _, owner = np.unique(pupil, return_inverse=True)
    size = np.bincount(owner)
    if size.size < 2:
        return None
    random, total = np.random.default_rng(SEED), np.bincount(owner, weights=values)
    draws = [random.integers(0, size.size, size.size) for _ in range(DRAWS)]
    means = [total[draw].sum() / size[draw].sum() for draw in draws]
    return [float(np.percentile(means, at)) for at in INTERVAL]


def _average(values: FloatArray, weights: FloatArray) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else float("nan")


def _weighted_auc(correct: FloatArray, weight: FloatArray, runs: IntArray) -> float:
    """AUC of weighted responses in order of their prediction; ``runs`` are where a new prediction begins."""
    right = np.add.reduceat(weight * correct, runs)
    wrong = np.add.reduceat(weight * (1 - correct), runs)
    below = np.cumsum(wrong) - wrong
    pairs = right.sum() * wrong.sum()
    return float((right * (below + wrong / 2.0)).sum() / pairs) if pairs > 0 else float("nan")
