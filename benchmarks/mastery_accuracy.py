"""How well each model predicts, on real responses: ``python -m benchmarks.mastery_accuracy FOLDER [--model M ...]``.

FOLDER holds the four research files of reference/mastery.md (never part of this repository). Each is split by pupil as
the numbers to beat are: sorted unique users, numpy ``default_rng(1).permutation``, the first fifth is the test. Prints
one line a file and model: AUC and within-student AUC (weighted by responses) with 95 % intervals over pupils, ECE,
log-loss, and the seconds of fit and prediction.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from cairn.mastery import predictors
from cairn.mastery.accuracy import measure
from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.responses import Responses, read_table, responses_from
from cairn.mastery.warm import warm

# File, then the AUC, weighted within-student AUC and ECE to reach.
FILES = {
    "akt_assist2017_pid": (0.781, 0.762, 0.010),
    "dkvmn_assist2015": (0.734, 0.660, 0.010),
    "gervet_algebra05_test": (0.837, 0.831, 0.010),
    "lkt_memphis": (0.858, 0.838, 0.017),
}
RULE = predictors.BktRule(Bounds(), Parameters(0.35, 0.12, 0.2, 0.1))


def split(path: Path) -> tuple[Responses, Responses]:
    """Train and test of the seed-1 split; users that are numbers are sorted as numbers."""
    [data] = responses_from([(path, read_table(path))])
    users = np.array(data.users)
    is_number = all(name.isdigit() for name in data.users)
    ids = np.sort(users.astype(np.int64)).astype(str) if is_number else np.sort(users)
    chosen = np.random.default_rng(1).permutation(len(ids))[: len(ids) // 5]
    is_test = np.isin(users, ids[chosen])[data.user]
    return data.of(~is_test), data.of(is_test)


def line(name: str, model: str, train: Responses, test: Responses) -> str:
    """One model on one file."""
    started = time.perf_counter()
    predicted = predictors.predict(train, test, model, RULE)
    seconds = time.perf_counter() - started
    found = measure(test, predicted)
    told = []
    for metric in ("auc", "auc_within_student_weighted"):
        low, high = found["interval95"][metric]
        told.append(f"{found[metric]:.4f} ({low:.3f}-{high:.3f})")
    numbers = f"{found['ece']:.4f} | {found['log_loss']:.4f} | {seconds:.1f}"
    return f"| {name} | {model} | {' | '.join(told)} | {numbers} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mastery_accuracy")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", choices=list(predictors.MODELS))
    asked = parser.parse_args()
    warm()
    print("| responses | model | AUC | within student | ECE | log-loss | seconds |\n|---|---|---|---|---|---|---|")
    for name, (auc, within, ece) in FILES.items():
        train, test = split(asked.folder / f"{name}.parquet")
        for model in asked.model or list(predictors.MODELS):
            print(line(name, model, train, test), flush=True)
        print(f"| {name} | to reach | {auc} | {within} | {ece} | | |", flush=True)


if __name__ == "__main__":
    main()
