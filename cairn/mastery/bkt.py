"""Bayesian Knowledge Tracing: parameters, the update as 2x2 matrices, and kernels over flat sorted arrays.

Source of the formulas: Corbett and Anderson (1995), with the forgetting of Khajah, Lindsey and Mozer (2016).
A row vector [P(not known), P(known)] is multiplied by one 2x2 matrix a response (observation, then transition),
so a stretch of responses is one matrix, and stretches merge associatively.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numba
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]

# Columns of a parameter table, in this order.
PRIOR, LEARN, GUESS, SLIP, FORGET = range(5)


@dataclass(frozen=True)
class Parameters:
    """Probabilities of one competency.

    prior: known before the first opportunity. learn: not known to known at an opportunity. guess: right though not
    known. slip: wrong though known. forget: known to not known at an opportunity.
    Raises ValueError where one is not a probability.
    """

    prior: float
    learn: float
    guess: float
    slip: float
    forget: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}, not a probability")

    def row(self) -> FloatArray:
        """The parameters as one row of a parameter table (shape 5)."""
        return np.array([self.prior, self.learn, self.guess, self.slip, self.forget], dtype=np.float64)


def response_matrix(parameters: Parameters, is_correct: bool) -> FloatArray:
    """The 2x2 matrix of one response: diag(P(response | not known), P(response | known)) times the transition."""
    right = np.array([parameters.guess, 1.0 - parameters.slip])
    seen = right if is_correct else 1.0 - right
    transition = np.array([[1.0 - parameters.learn, parameters.learn], [parameters.forget, 1.0 - parameters.forget]])
    matrix: FloatArray = seen[:, None] * transition
    return matrix


@numba.njit(cache=True, nogil=True)
def _forward(
    start: FloatArray, correct: ByteArray, offsets: IntArray, parameter_of: IntArray, parameters: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    before = np.empty(correct.size)
    predicted = np.empty(correct.size)
    after = np.empty(correct.size)
    for sequence in range(offsets.size - 1):
        row = parameter_of[sequence]
        known = start[sequence]
        learn = parameters[row, 1]
        guess = parameters[row, 2]
        slip = parameters[row, 3]
        forget = parameters[row, 4]
        for i in range(offsets[sequence], offsets[sequence + 1]):
            before[i] = known
            right = known * (1.0 - slip) + (1.0 - known) * guess
            predicted[i] = right
            if correct[i]:
                seen, chance = known * (1.0 - slip), right
            else:
                seen, chance = known * slip, 1.0 - right
            # A response the parameters call impossible (guess 0, slip 0) says nothing.
            posterior = seen / chance if chance > 0.0 else known
            known = posterior * (1.0 - forget) + (1.0 - posterior) * learn
            after[i] = known
    return before, predicted, after


def forward(
    correct: ByteArray, offsets: IntArray, parameter_of: IntArray, parameters: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Filter many sequences: (P(known) before each response, P(right) predicted, P(known) after it).

    ``correct`` (n) holds 0 or 1 in order of work, sequence after sequence; ``offsets`` (sequences + 1) bounds them;
    ``parameter_of`` (sequences) names each one's row in ``parameters`` (rows x 5). "After" includes the transition:
    post = p(1-S) / (p(1-S) + (1-p)G) when right, pS / (pS + (1-p)(1-G)) when wrong; p' = post(1-F) + (1-post)T.
    """
    found: tuple[FloatArray, FloatArray, FloatArray] = _forward(
        parameters[parameter_of, PRIOR], correct, offsets, parameter_of, parameters
    )
    return found


def advance(
    start: FloatArray, correct: ByteArray, offsets: IntArray, parameter_of: IntArray, parameters: FloatArray
) -> FloatArray:
    """P(known) after each response, as :func:`forward`, of sequences that stand at ``start`` (sequences)."""
    after: FloatArray = _forward(start, correct, offsets, parameter_of, parameters)[2]
    return after


@numba.njit(cache=True, nogil=True)
def segments(correct: ByteArray, offsets: IntArray, parameter_of: IntArray, parameters: FloatArray) -> FloatArray:
    """One scaled matrix a stretch of responses: rows of m00, m01, m10, m11, log_scale (stretches x 5).

    The true product is ``exp(log_scale)`` times the matrix, whose largest entry is 1, so that no length underflows.
    """
    out = np.empty((offsets.size - 1, 5))
    for stretch in range(offsets.size - 1):
        row = parameter_of[stretch]
        learn = parameters[row, 1]
        guess = parameters[row, 2]
        slip = parameters[row, 3]
        forget = parameters[row, 4]
        a, b, c, d, scale = 1.0, 0.0, 0.0, 1.0, 0.0
        for i in range(offsets[stretch], offsets[stretch + 1]):
            unknown, known = (guess, 1.0 - slip) if correct[i] else (1.0 - guess, slip)
            a, b = a * unknown * (1.0 - learn) + b * known * forget, a * unknown * learn + b * known * (1.0 - forget)
            c, d = c * unknown * (1.0 - learn) + d * known * forget, c * unknown * learn + d * known * (1.0 - forget)
            top = max(a, b, c, d)
            if top > 0.0:
                a, b, c, d = a / top, b / top, c / top, d / top
                scale += np.log(top)
        out[stretch, 0], out[stretch, 1], out[stretch, 2], out[stretch, 3], out[stretch, 4] = a, b, c, d, scale
    return out


def merge(first: FloatArray, second: FloatArray) -> FloatArray:
    """Two stretches that follow each other as one (each m00, m01, m10, m11, log_scale); associative."""
    product = first[:4].reshape(2, 2) @ second[:4].reshape(2, 2)
    top = float(product.max())
    if top <= 0.0:
        return np.array([*product.ravel(), first[4] + second[4]])
    return np.array([*(product / top).ravel(), first[4] + second[4] + np.log(top)])


def apply(prior: float, stretch: FloatArray) -> tuple[float, float]:
    """(P(known) after a stretch that began at ``prior``, log-likelihood of the stretch)."""
    state = np.array([1.0 - prior, prior]) @ stretch[:4].reshape(2, 2)
    total = float(state.sum())
    if total <= 0.0:
        return prior, float("-inf")
    return float(state[1] / total), float(np.log(total) + stretch[4])
