"""Ridge logistic regression over columns of numbers and many categories, fitted by L-BFGS on compiled gradients.

The fit stops after MAX_ITERATIONS at the latest, where further rounds change predictions more than they improve them.

A row's logit is ``sum(number * weight) + sum(weight of its categories) + sum(slope of its category * number)``, minus
nothing for categories that training did not meet: their weights stay 0, so that the unknown is the average. Rows that
belong together (a response on several skills) are averaged. The penalty is a normal prior of variance ``1 / penalty``
on each weight, of mean 0 where nothing else is said: how rare skills and items are drawn to the average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from cairn.mastery.bkt import FloatArray, IntArray

Numbers = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
MAX_ITERATIONS = 80
# Corrections that L-BFGS remembers.
MEMORY = 12
# Responses are summed in so many parts on every machine, so that the same responses give the same weights.
PARTS = 4
# Below this many rows one thread does it all.
FEW_ROWS = 50_000


@dataclass(frozen=True)
class Design:
    """Rows as the regression sees them; weights lie as numbers, then category blocks, then slope blocks.

    numbers: rows x columns. categories: rows x blocks, weights' places. slopes: rows x blocks, weights' places, each
    times the column of ``numbers`` that ``slope_column`` names. penalty, center: one a
    weight, the prior's.
    """

    numbers: Numbers
    categories: Codes
    slopes: Codes
    slope_column: IntArray
    penalty: FloatArray
    center: FloatArray

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.numbers.shape[0])


@dataclass
class DesignBuilder:
    """Collects a design's blocks. Each code is a category from 0 to ``size`` - 1."""

    rows: int
    _numbers: list[tuple[str, npt.NDArray[np.float32], float, float]] = field(default_factory=list)
    _categories: list[tuple[str, IntArray, int, float]] = field(default_factory=list)
    _slopes: list[tuple[str, IntArray, int, float, int]] = field(default_factory=list)

    def number(self, name: str, values: FloatArray, penalty: float = 1.0, center: float = 0.0) -> int:
        """A column of numbers with one weight, drawn to ``center``; returns its place for :meth:`slope`."""
        self._numbers.append((name, values.astype(np.float32), penalty, center))
        return len(self._numbers) - 1

    def category(self, name: str, codes: IntArray, size: int, penalty: float) -> None:
        """A weight a category."""
        self._categories.append((name, codes, size, penalty))

    def slope(self, name: str, codes: IntArray, size: int, column: int, penalty: float) -> None:
        """A weight a category, times a column of numbers."""
        self._slopes.append((name, codes, size, penalty, column))

    def build(self) -> Design:
        """The design of all that was added."""
        penalty = [np.array([one for _, _, one, _ in self._numbers], dtype=np.float64)]
        first = len(self._numbers)
        placed: list[list[Codes]] = [[], []]
        blocks = [(0, *block) for block in self._categories] + [(1, *block[:4]) for block in self._slopes]
        for kind, _, codes, size, one in blocks:
            placed[kind].append((codes + first).astype(np.int32))
            penalty.append(np.full(size, one))
            first += size
        categories, slopes = (
            np.ascontiguousarray(np.stack(codes, axis=1)) if codes else np.empty((self.rows, 0), np.int32)
            for codes in placed
        )
        columns = np.array([column for *_, column in self._slopes], dtype=np.int64)
        numbers = np.ascontiguousarray(np.stack([values for _, values, _, _ in self._numbers], axis=1))
        center = np.zeros(first)
        center[: len(self._numbers)] = [one for *_, one in self._numbers]
        return Design(numbers, categories, slopes, columns, np.concatenate(penalty), center)


@numba.njit(cache=True, nogil=True)
def _logit(
    weights: FloatArray, numbers: Numbers, categories: Codes, slopes: Codes, slope_column: IntArray, row: int
) -> float:
    total = 0.0
    for j in range(numbers.shape[1]):
        total += weights[j] * numbers[row, j]
    for j in range(categories.shape[1]):
        total += weights[categories[row, j]]
    for j in range(slopes.shape[1]):
        total += weights[slopes[row, j]] * numbers[row, slope_column[j]]
    return total


@numba.njit(cache=True, nogil=True, parallel=True)
def _logits(
    weights: FloatArray, numbers: Numbers, categories: Codes, slopes: Codes, slope_column: IntArray, offsets: IntArray
) -> FloatArray:
    found = np.empty(offsets.size - 1)
    for response in numba.prange(offsets.size - 1):
        total = 0.0
        for row in range(offsets[response], offsets[response + 1]):
            total += _logit(weights, numbers, categories, slopes, slope_column, row)
        found[response] = total / max(1, offsets[response + 1] - offsets[response])
    return found


@numba.njit(cache=True, nogil=True, parallel=True)
def _gradient(
    weights: FloatArray,
    numbers: Numbers,
    categories: Codes,
    slopes: Codes,
    slope_column: IntArray,
    offsets: IntArray,
    correct: FloatArray,
    parts: int,
) -> tuple[float, FloatArray]:
    """Summed log-loss and its gradient; each of ``parts`` has sums of its own, whatever number of threads there is."""
    losses = np.zeros(parts)
    sums = np.zeros((parts, weights.size))
    responses = offsets.size - 1
    for part in numba.prange(parts):
        for response in range(responses * part // parts, responses * (part + 1) // parts):
            first, last = offsets[response], offsets[response + 1]
            logit = 0.0
            for row in range(first, last):
                logit += _logit(weights, numbers, categories, slopes, slope_column, row)
            share = 1.0 / max(1, last - first)
            logit *= share
            losses[part] += np.log1p(np.exp(-abs(logit))) + max(logit, 0.0) - correct[response] * logit
            error = (1.0 / (1.0 + np.exp(-logit)) - correct[response]) * share
            for row in range(first, last):
                for j in range(numbers.shape[1]):
                    sums[part, j] += error * numbers[row, j]
                for j in range(categories.shape[1]):
                    sums[part, categories[row, j]] += error
                for j in range(slopes.shape[1]):
                    sums[part, slopes[row, j]] += error * numbers[row, slope_column[j]]
    return losses.sum(), sums.sum(axis=0)


@numba.njit(cache=True, nogil=True)
def _curvature(
    numbers: Numbers, categories: Codes, slopes: Codes, slope_column: IntArray, size: int, variance: float
) -> FloatArray:
    """The diagonal of the Hessian, were every chance the mean: how differently the weights are informed."""
    found = np.zeros(size)
    for row in range(numbers.shape[0]):
        for j in range(numbers.shape[1]):
            found[j] += variance * numbers[row, j] * numbers[row, j]
        for j in range(categories.shape[1]):
            found[categories[row, j]] += variance
        for j in range(slopes.shape[1]):
            number = numbers[row, slope_column[j]]
            found[slopes[row, j]] += variance * number * number
    return found


def one_row_each(responses: int) -> IntArray:
    """Offsets of responses that have one row each."""
    return np.arange(responses + 1, dtype=np.int64)


@contextmanager
def _threads(rows: int) -> Iterator[None]:
    """One thread for few rows: what others would save, waiting for them costs, most of all on a busy machine."""
    before = numba.get_num_threads()
    numba.set_num_threads(1 if rows < FEW_ROWS else before)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def fit_logistic(
    design: Design, offsets: IntArray, correct: FloatArray, max_iterations: int = MAX_ITERATIONS
) -> FloatArray:
    """The weights. ``offsets`` (responses + 1) bounds each response's rows; ``correct``: the share right, 0 to 1.

    Of an outcome y between them the loss is ``-(y log p + (1 - y) log (1 - p))``, a quasi-likelihood that asks for no
    more than the right mean (Papke and Wooldridge 1996).
    """
    blocks = design.numbers, design.categories, design.slopes, design.slope_column
    mean = float(correct.mean()) if correct.size else 0.5
    curvature = _curvature(*blocks, design.penalty.size, mean * (1.0 - mean)) + design.penalty
    scale = 1.0 / np.sqrt(curvature)

    def loss(scaled: FloatArray) -> tuple[float, FloatArray]:
        weights = scaled * scale
        value, slope = _gradient(weights, *blocks, offsets, correct, PARTS)
        off = weights - design.center
        penalised = value + 0.5 * float((design.penalty * off * off).sum())
        return penalised, (slope + design.penalty * off) * scale

    options = {"maxiter": max_iterations, "maxcor": MEMORY}
    with _threads(design.rows):
        found = minimize(loss, design.center / scale, jac=True, method="L-BFGS-B", options=options)
    weights: FloatArray = found.x * scale
    return weights


def logits(design: Design, offsets: IntArray, weights: FloatArray) -> FloatArray:
    """The logit of each response."""
    blocks = design.numbers, design.categories, design.slopes, design.slope_column
    with _threads(design.rows):
        found: FloatArray = _logits(weights, *blocks, offsets)
    return found


def chances(logit: FloatArray) -> FloatArray:
    """Probabilities of logits."""
    found: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(logit, -35.0, 35.0)))
    return found
