"""Bayesian Knowledge Tracing beside its peers, in one run: ``python -m benchmarks.mastery [responses.parquet]``.

Fit (numba EM) beside a plain numpy EM (on drawn responses); forward pass beside pure Python. Prints seconds,
nanoseconds a response and ratios. Without a file, responses are drawn from the model itself. pyBKT has a benchmark of
its own (benchmarks/mastery_pybkt.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cairn.mastery import bkt, fit
from cairn.mastery.warm import warm

SKILLS, PUPILS, LENGTH = 60, 1500, 6
NUMPY_ITERATIONS = 20


def drawn() -> fit.Sequences:
    """Responses of 1,500 pupils to 60 competencies, six each, from the model."""
    random = np.random.default_rng(1)
    known = random.random((SKILLS, PUPILS)) < 0.35
    right = np.empty((SKILLS, PUPILS, LENGTH), dtype=np.int8)
    for step in range(LENGTH):
        right[..., step] = random.random(known.shape) < np.where(known, 0.9, 0.2)
        known |= random.random(known.shape) < 0.12
    skill = np.repeat(np.arange(SKILLS), PUPILS * LENGTH)
    user = np.tile(np.repeat(np.arange(PUPILS), LENGTH), SKILLS)
    return fit.make_sequences(skill, user, right.ravel())[0]


def from_file(path: Path) -> fit.Sequences:
    """The responses of a file."""
    from cairn.mastery.responses import read_table, responses_from

    [data] = responses_from([(path, read_table(path))])
    return fit.make_sequences(data.skill, data.user[data.response], data.right[data.response])[0]


def seconds(work: Callable[[], Any], rounds: int = 3) -> float:
    """The quickest of some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def python_forward(sequences: fit.Sequences, of_sequence: np.ndarray, parameters: np.ndarray) -> float:
    """The forward pass in pure Python; returns the last P(known)."""
    known = 0.0
    correct, offsets = sequences.correct.tolist(), sequences.offsets.tolist()
    rows, table = of_sequence.tolist(), parameters.tolist()
    for number, row in enumerate(rows):
        known, learn, guess, slip, forget = table[row]
        for i in range(offsets[number], offsets[number + 1]):
            right = known * (1.0 - slip) + (1.0 - known) * guess
            posterior = known * (1.0 - slip) / right if correct[i] else known * slip / (1.0 - right)
            known = posterior * (1.0 - forget) + (1.0 - posterior) * learn
    return known


def numpy_em(sequences: fit.Sequences, iterations: int) -> float:
    """EM in lock-step numpy, all sequences of a skill padded to the longest; returns the log-likelihood."""
    total = 0.0
    for skill in range(sequences.skills):
        low, high = sequences.skill_offsets[skill], sequences.skill_offsets[skill + 1]
        if low == high:
            continue
        starts, sizes = sequences.offsets[low:high], np.diff(sequences.offsets[low : high + 1])
        steps = np.arange(sizes.max())
        seen = steps[None, :] < sizes[:, None]
        right = np.where(seen, sequences.correct[np.minimum(starts[:, None] + steps, sequences.correct.size - 1)], 0)
        theta = fit.STARTS[0][:4].copy()
        for _ in range(iterations):
            theta, likelihood = _numpy_round(right, seen, theta)
        total += likelihood
    return total


def _numpy_round(right: np.ndarray, seen: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, float]:
    prior, learn, guess, slip = theta
    emit = np.stack([np.where(right, guess, 1 - guess), np.where(right, 1 - slip, slip)], axis=-1)
    emit[~seen] = 1.0
    transition = np.array([[1 - learn, learn], [0.0, 1.0]])
    size, longest = right.shape
    alpha, scale = np.empty((size, longest, 2)), np.empty((size, longest))
    state = np.tile([1 - prior, prior], (size, 1))
    for t in range(longest):
        state = state * emit[:, t]
        scale[:, t] = state.sum(axis=1)
        alpha[:, t] = state / scale[:, t, None]
        state = alpha[:, t] @ transition
    beta = np.ones((size, longest, 2))
    learned = stayed = 0.0
    for t in range(longest - 1, 0, -1):
        ahead = emit[:, t] * beta[:, t] / scale[:, t, None]
        step = alpha[:, t - 1, 0] * seen[:, t]
        learned += float((step * learn * ahead[:, 1]).sum())
        stayed += float((step * (1 - learn) * ahead[:, 0]).sum())
        beta[:, t - 1] = ahead @ transition.T
    gamma = alpha * beta * seen[..., None]
    unknown, known = gamma[..., 0], gamma[..., 1]
    new = [known[:, 0].mean(), learned / max(learned + stayed, 1e-12)]
    new += [(unknown * right).sum() / unknown.sum(), (known * (1 - right)).sum() / known.sum()]
    return np.clip(np.array(new), fit.EDGE, 1 - fit.EDGE), float(np.log(scale[seen]).sum())


def main() -> None:
    """Run all and print."""
    warm()
    sequences = from_file(Path(sys.argv[1])) if len(sys.argv) > 1 else drawn()
    size = sequences.correct.size
    print(f"{size:,} responses, {sequences.skills} skills, {sequences.offsets.size - 1:,} sequences")
    free = seconds(lambda: fit._fit_all(sequences, fit.UNBOUNDED, False, fit.STARTS[:1]))
    both = seconds(lambda: fit.fit_bkt(sequences, fit.Bounds()))
    likelihood = fit._fit_all(sequences, fit.UNBOUNDED, False, fit.STARTS[:1])[1].sum()
    print(f"fit, one start, to convergence: {free:.3f} s (log-likelihood {likelihood:,.0f})")
    print(f"fit as evaluations do (bounded and unbounded, two starts each): {both:.3f} s")
    if len(sys.argv) == 1:
        # Lock-step numpy pads to the longest sequence: real responses, some hundreds long, would only show that.
        peer = seconds(lambda: numpy_em(sequences, NUMPY_ITERATIONS), rounds=1)
        print(f"numpy EM, {NUMPY_ITERATIONS} rounds only: {peer:.3f} s, {peer / free:.1f} times ours")
    parameters = fit.fit_bkt(sequences, fit.Bounds()).parameters
    of_sequence = np.repeat(np.arange(sequences.skills), np.diff(sequences.skill_offsets))
    ours = seconds(lambda: bkt.forward(sequences.correct, sequences.offsets, of_sequence, parameters))
    plain = seconds(lambda: python_forward(sequences, of_sequence, parameters), rounds=1)
    ratio = plain / ours
    print(f"forward: {ours / size * 1e9:.0f} ns a response; pure Python {plain / size * 1e9:.0f} ns, {ratio:.0f} times")


if __name__ == "__main__":
    main()
