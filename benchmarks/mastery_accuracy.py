"""How well each model predicts, on real responses: ``python -m benchmarks.mastery_accuracy FOLDER [--model M ...]``.

FOLDER holds the four research files of reference/mastery.md (never part of this repository). Each is split by pupil as
the numbers to beat are: sorted unique users, numpy ``default_rng(1).permutation``, the first fifth is the test. Prints
one line a file and model: AUC and within-student AUC (weighted by responses) with 95 % intervals over pupils, ECE,
log-loss, and the seconds of fit and prediction. With ``--policy`` what followed a call of "mastered" instead, with
``--forgetting`` how the durable share's predictions did by days since the last work.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.mastery import predictors
from cairn.mastery.accuracy import measure
from cairn.mastery.bkt import FloatArray, IntArray, Parameters
from cairn.mastery.config import config_from
from cairn.mastery.fit import Bounds
from cairn.mastery.follow_up import CALLERS, after_mastery
from cairn.mastery.responses import Responses, read_table, responses_from
from cairn.mastery.share.durable import evidence_on, fit_head, predict_next
from cairn.mastery.share.state import COUNT, DAY_SECONDS, LAST_AT
from cairn.mastery.warm import warm
from cairn.privacy import DEFAULT_SMALLEST_GROUP

# File, then the AUC, weighted within-student AUC and ECE to reach.
FILES = {
    "akt_assist2017_pid": (0.781, 0.762, 0.010),
    "dkvmn_assist2015": (0.734, 0.660, 0.010),
    "gervet_algebra05_test": (0.837, 0.831, 0.010),
    "lkt_memphis": (0.858, 0.838, 0.017),
}
FOLDS = 5
SPACING_SECONDS = 86_400.0
GAP_DAYS = ((0.0, 1 / 24), (1 / 24, 1.0), (1.0, 4.0), (4.0, 14.0), (14.0, 60.0), (60.0, np.inf))
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


def followed(name: str, model: str, train: Responses, test: Responses) -> str:
    """What followed "mastered" under one model on one file."""
    config = config_from(load_yaml_mapping(EXAMPLES / "evidence.yaml"), load_yaml_mapping(EXAMPLES / "policy.yaml"))
    found = after_mastery(
        train, test, model, RULE, config.in_force_now().policy, config.evidence.spacing_seconds, DEFAULT_SMALLEST_GROUP
    )
    pairs = f"{found['mastered_pairs']:,} of {found['pairs_with_enough_evidence']:,}"
    five = f"{told(found['promised_share'])} | {told(found['next5_correct'])} | {found['under_60_pct']}"
    answer = found["next_answer"]
    following = f"{told(answer['promised'])} | {told(answer['correct'])} | {answer['pairs']:,}"
    plain = f"{found['called_of_logistic_pct']} of {found['logistic_called_pairs']:,}"
    return f"| {name} | {model} | {pairs} | {found['mastered_pairs_with_next5']:,} | {five} | {following} | {plain} |"


def told(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def print_policies(folder: Path) -> None:
    """The table of what followed, for every model that calls pupils mastered."""
    first = ("responses", "model", "mastered, of pairs with enough evidence", "with five more", "promised")
    columns = (
        *first,
        "next five right",
        "under 60 %, %",
        "promised, one more",
        "next right",
        "with one more",
        "% of the logistic's",
    )
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in FILES:
        train, test = split(folder / f"{name}.parquet")
        for model in CALLERS:
            print(followed(name, model, train, test), flush=True)


def print_forgetting(folder: Path) -> None:
    """Predicted and right by days since the pair's last work; every pupil predicted by the other four folds' model."""
    print(
        "| responses | days | answers | predicted | right | 95 % of the difference, over pupils |\n" + "|---" * 6 + "|"
    )
    for name in FILES:
        path = folder / f"{name}.parquet"
        [data] = responses_from([(path, read_table(path))])
        if data.has_times:
            data = data.of(data.first_attempts(SPACING_SECONDS))
            print_gaps(name, *predicted_by_other_folds(data))


def predicted_by_other_folds(data: Responses) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """(predicted, right, days since the pair's last work, pupil) of each counted attempt that follows another."""
    fold = np.random.default_rng(5).integers(0, FOLDS, len(data.users))[data.user]
    parts = []
    for one in range(FOLDS):
        head = fit_head(data.of(fold != one))
        evidence = evidence_on(head, data.of(fold == one))
        rows = np.flatnonzero(evidence.before[:, COUNT] > 0)
        days = (evidence.at_seconds[rows] - evidence.before[rows, LAST_AT]) / DAY_SECONDS
        right = evidence.correct[rows]
        parts.append((predict_next(head, evidence, rows), right, days, evidence.data.user[evidence.response[rows]]))
    predicted, right, days, pupil = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return predicted, right, days, pupil


def print_gaps(name: str, predicted: FloatArray, right: FloatArray, days: FloatArray, pupil: IntArray) -> None:
    """A line a range of days."""
    random = np.random.default_rng(1)
    for low, high in GAP_DAYS:
        inside = (days >= low) & (days < high)
        if not inside.any():
            continue
        _, owner = np.unique(pupil[inside], return_inverse=True)
        surplus, size = np.bincount(owner, weights=(predicted - right)[inside]), np.bincount(owner)
        draws = [random.integers(0, size.size, size.size) for _ in range(200)]
        low_end, high_end = np.percentile([surplus[draw].sum() / size[draw].sum() for draw in draws], (2.5, 97.5))
        means = f"{predicted[inside].mean():.3f} | {right[inside].mean():.3f} | {low_end:.3f} to {high_end:.3f}"
        print(f"| {name} | {low:.3g} to {high:.3g} | {inside.sum():,} | {means} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mastery_accuracy")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", choices=list(predictors.MODELS))
    parser.add_argument("--policy", action="store_true", help="what follows a call of mastered, instead")
    parser.add_argument("--forgetting", action="store_true", help="the durable share's forgetting, by days, instead")
    asked = parser.parse_args()
    warm()
    if asked.policy:
        print_policies(asked.folder)
        return
    if asked.forgetting:
        print_forgetting(asked.folder)
        return
    print("| responses | model | AUC | within student | ECE | log-loss | seconds |\n|---|---|---|---|---|---|---|")
    for name, (auc, within, ece) in FILES.items():
        train, test = split(asked.folder / f"{name}.parquet")
        for model in asked.model or list(predictors.MODELS):
            print(line(name, model, train, test), flush=True)
        print(f"| {name} | to reach | {auc} | {within} | {ece} | | |", flush=True)


if __name__ == "__main__":
    main()
