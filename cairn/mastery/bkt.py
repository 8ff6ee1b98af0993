"""Bayesian Knowledge Tracing, to be compared with: parameters, and the update over flat sorted arrays.

Source of the formulas: Corbett and Anderson (1995), with the forgetting of Khajah, Lindsey and Mozer (2016).
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
            # Both chances as sums of what is not negative: 1 - right may round below known * slip, and what is then
            # over 1 grows with each further wrong answer.
            if correct[i]:
                seen, chance = known * (1.0 - slip), right
            else:
                seen = known * slip
                chance = seen + (1.0 - known) * (1.0 - guess)
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
