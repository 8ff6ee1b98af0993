"""Our fit of Bayesian Knowledge Tracing beside pyBKT's: ``python -m benchmarks.mastery_pybkt FILE.parquet ...``.

pyBKT comes with the extra ``benchmarks``, which ``infra/bootstrap.sh benchmarks`` (it needs a C++ compiler) adds to
the environment: four packages pinned in infra/benchmarks.lock, none of requirements.lock is changed, and ``make setup``
takes them away again when the lock changes. The package's ready-made wheel holds pure Python, so the C++ is built from
its source; without it the benchmark refuses to run.

Each file is split by pupil with numpy's seed 1 (benchmarks/mastery_accuracy.py) and both fit each skill of the training
part: from the same start, so many rounds of EM, nothing bounded, one thread. Timed is EM alone, skill after skill, the
quickest of three runs: of pyBKT ``EM_fit`` on data that is prepared before, and of that its compiled E-step alone; of
ours all from the sequences on (equal sequences are found, and computed once, within the time; ``one by one`` leaves
that out). Both log-likelihoods are of one forward pass, on the training part and on the pupils held out, parameters
held a millionth off 0 and 1: pyBKT rounds its own to whole numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mastery_accuracy import split
from cairn.mastery.bkt import FloatArray, IntArray, forward
from cairn.mastery.fit import EDGE, STARTS, Sequences, fit_rounds, make_sequences
from cairn.mastery.responses import Responses
from cairn.mastery.warm import warm

# pyBKT's own default.
ROUNDS = 100
REPEATS = 3
# A log-likelihood a response that differs by less is the same sum, added up in another order and held off the edges.
SAME = 1e-6
GOAL_TIMES = 4.0
MISSING = "pyBKT is not here, or without its C++: run infra/bootstrap.sh benchmarks (a C++ compiler is needed)"


def is_installed() -> bool:
    """Whether pyBKT is here with its E-step in C++ (the pure Python one is no peer: some hundred times slower)."""
    return find_spec("pyBKT") is not None and find_spec("pyBKT.fit.E_step") is not None


def quickest(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds of the quickest of some runs, what the last returned)."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - started)
    return min(taken), result


def sequences_of(data: Responses) -> Sequences:
    """One sequence a pupil and skill."""
    return make_sequences(data.skill, data.user[data.response], data.right[data.response])[0]


def prepared(sequences: Sequences) -> list[dict[str, Any] | None]:
    """Each skill's responses as pyBKT's EM takes them: 1 wrong, 2 right, places from 1; None for one without any."""
    found: list[dict[str, Any] | None] = []
    for low, high in zip(sequences.skill_offsets[:-1], sequences.skill_offsets[1:], strict=True):
        offsets = sequences.offsets[low : high + 1]
        if low == high:
            found.append(None)
            continue
        right = sequences.correct[offsets[0] : offsets[-1]]
        found.append(
            {
                "data": (right.astype(np.int32) + 1)[None, :],
                "resources": np.ones(right.size, dtype=np.int64),
                "starts": offsets[:-1] - offsets[0] + 1,
                "lengths": np.diff(offsets),
            }
        )
    return found


class Timed:
    """pyBKT's E-step, its seconds summed."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self.seconds = 0.0

    def run(self, *arguments: Any) -> Any:
        """One E-step."""
        started = time.perf_counter()
        found = self._run(*arguments)
        self.seconds += time.perf_counter() - started
        return found


def pybkt_kernel_seconds(skills: list[dict[str, Any] | None], start: FloatArray, rounds: int) -> float:
    """Seconds within pyBKT's compiled E-steps of such a run, the quickest of some."""
    from pyBKT.fit import E_step, EM_fit

    taken = []
    for _ in range(REPEATS):
        timed = Timed(E_step.run)
        EM_fit.E_step = timed
        try:
            pybkt_rounds(skills, start, rounds)
        finally:
            EM_fit.E_step = E_step
        taken.append(timed.seconds)
    return min(taken)


def pybkt_rounds(skills: list[dict[str, Any] | None], start: FloatArray, rounds: int) -> FloatArray:
    """pyBKT's parameters (skills x 5) after so many rounds from the start, on one thread."""
    from pyBKT.fit import EM_fit

    prior, learn, guess, slip, _ = start
    parameters = np.tile(start, (len(skills), 1))
    for row, data in enumerate(skills):
        if data is None:
            continue
        model = {
            "prior": float(prior),
            "learns": np.array([learn]),
            "forgets": np.array([0.0]),
            "guesses": np.array([guess]),
            "slips": np.array([slip]),
            "As": np.array([[[1.0 - learn, 0.0], [learn, 1.0]]]),
        }
        # A tolerance of 0 is never met: all the rounds are done.
        model, _ = EM_fit.EM_fit(model, data, tol=0.0, maxiter=rounds, parallel=False)
        parameters[row, :4] = model["prior"], model["learns"][0], model["guesses"][0], model["slips"][0]
    return parameters


def log_likelihoods(sequences: Sequences, parameters: FloatArray) -> FloatArray:
    """Each skill's log-likelihood by one forward pass, parameters held off 0 and 1."""
    held = parameters.copy()
    held[:, :4] = np.clip(held[:, :4], EDGE, 1.0 - EDGE)
    of_sequence = np.repeat(np.arange(sequences.skills), np.diff(sequences.skill_offsets))
    _, predicted, _ = forward(sequences.correct, sequences.offsets, of_sequence, held)
    chance = np.log(np.where(sequences.correct == 1, predicted, 1.0 - predicted))
    of_response: IntArray = np.repeat(of_sequence, np.diff(sequences.offsets))
    summed: FloatArray = np.bincount(of_response, weights=chance, minlength=sequences.skills).astype(np.float64)
    return summed


def compare(path: Path, rounds: int) -> dict[str, Any]:
    """Both on one file."""
    train, test = (sequences_of(part) for part in split(path))
    start = np.r_[STARTS[0][:4], 0.0]
    our_seconds, (ours, _) = quickest(lambda: fit_rounds(train, start, rounds))
    single_seconds, _ = quickest(lambda: fit_rounds(train, start, rounds, is_each_alone=True))
    skills = prepared(train)
    their_seconds, theirs = quickest(lambda: pybkt_rounds(skills, start, rounds))
    kernel_seconds = pybkt_kernel_seconds(skills, start, rounds)
    our_fit, their_fit = log_likelihoods(train, ours), log_likelihoods(train, theirs)
    sizes = np.maximum(1, np.diff(train.offsets[train.skill_offsets]))
    # A skill that the training part does not have is predicted by the start, in both.
    unseen = np.tile(start, (max(0, test.skills - train.skills), 1))
    held = [float(log_likelihoods(test, np.vstack([table, unseen])).sum()) for table in (ours, theirs)]
    return {
        "responses": path.stem,
        "answers": int(train.correct.size),
        "skills": train.skills,
        "sequences": int(train.offsets.size - 1),
        "rounds": rounds,
        "log_likelihood": float(our_fit.sum()),
        "log_likelihood_pybkt": float(their_fit.sum()),
        "skills_below": int(np.count_nonzero((our_fit - their_fit) / sizes < -SAME)),
        "held_out": held[0],
        "held_out_pybkt": held[1],
        "seconds": our_seconds,
        "seconds_one_by_one": single_seconds,
        "seconds_pybkt": their_seconds,
        "seconds_pybkt_kernel": kernel_seconds,
        "times": their_seconds / our_seconds,
        "times_kernels_one_by_one": kernel_seconds / single_seconds,
    }


def line(found: dict[str, Any]) -> str:
    """One file as a row of the table."""
    fits = f"{found['log_likelihood']:,.2f} | {found['log_likelihood_pybkt']:,.2f} | {found['skills_below']}"
    held = f"{found['held_out']:,.2f} | {found['held_out_pybkt']:,.2f}"
    seconds = f"{found['seconds']:.3f}, {found['seconds_one_by_one']:.3f}"
    theirs = f"{found['seconds_pybkt']:.3f}, {found['seconds_pybkt_kernel']:.3f}"
    times = f"{found['times']:.1f}, {found['times_kernels_one_by_one']:.1f}"
    size = f"{found['answers']:,} of {found['skills']} skills"
    return f"| {found['responses']} | {size} | {fits} | {held} | {seconds} | {theirs} | {times} |"


def main() -> None:
    """Print the table, one row a file; exit 1 where pyBKT is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mastery_pybkt")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="one JSON object a file instead")
    asked = parser.parse_args()
    if not is_installed():
        raise SystemExit(MISSING)
    warm()
    head = ("responses", "answers", "log-likelihood", "pyBKT", "skills below pyBKT", "held out", "pyBKT")
    columns = (*head, "seconds, one by one", "pyBKT, its C++ alone", f"times (goal {GOAL_TIMES:g}), kernels one by one")
    if not asked.json:
        print(f"pyBKT {metadata.version('pyBKT')}, {asked.rounds} rounds each, one thread of {os.cpu_count()}\n")
        print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for path in asked.files:
        found = compare(path, asked.rounds)
        print(json.dumps(found) if asked.json else line(found), flush=True)


if __name__ == "__main__":
    main()
