"""Compile every kernel once, so that the first night does not wait: ``python -m cairn.mastery.warm``."""

from __future__ import annotations

import numpy as np

from cairn.mastery import bkt, elo
from cairn.mastery.config import ThresholdPolicy
from cairn.mastery.fit import Bounds, fit_bkt, make_sequences
from cairn.mastery.policy import walk


def warm() -> None:
    """Call each kernel with the types that nights use; numba keeps the machine code beside the source."""
    codes = np.array([0, 0, 0, 0], dtype=np.int64)
    correct = np.array([0, 1, 1, 1], dtype=np.int8)
    sequences, _ = make_sequences(codes, np.array([0, 0, 1, 1], dtype=np.int64), correct)
    fit = fit_bkt(sequences, Bounds())
    rows = np.zeros(2, dtype=np.int64)
    _, _, known = bkt.forward(sequences.correct, sequences.offsets, rows, fit.parameters)
    bkt.segments(sequences.correct, sequences.offsets, rows, fit.parameters)
    policy = ThresholdPolicy(0.95, 0.85, 4, 60.0, 0.9, 0.9, 2.0)
    walk(known, sequences.correct, np.arange(4, dtype=np.int64), sequences.offsets, policy, 10)
    elo.predict(codes, codes, codes, correct)


if __name__ == "__main__":
    warm()
