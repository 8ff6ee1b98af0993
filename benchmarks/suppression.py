"""Cells left out to protect small counts, beside pytauargus: ``python -m benchmarks.suppression``.

Twenty random tables with row, column and grand totals (numpy's seeds 0 to 19, sizes 4 by 4 to 10 by 8, some of their
counts under 10). Both are given the same: exact counts, each of 1 to 9 to be protected so that an attacker must hold
every number from 0 to 10 for possible, each cell at a cost of 1. Ours is ``cairn.protection.suppression`` by its exact
way and by its heuristic alone; the peer is pytauargus's OPT (tau-Argus's optimum, by Fischetti and Salazar, on HiGHS).

pytauargus (EUPL-1.2) is in no lock of ours: make it an environment of its own and name its Python in
PYTAUARGUS_PYTHON, such as ``python -m venv /tmp/tau && /tmp/tau/bin/pip install pytauargus==0.6.0``. Whether what each
leaves out does protect is judged by our attacker's linear programmes for both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cairn.protection.suppression import Cell, Level, Problem, is_protected, suppress

TABLES = 20
N_MIN = 10
GOAL_TIMES = 1.15
PEER = Path(__file__).with_name("suppression_peer.py")
VARIABLE = "PYTAUARGUS_PYTHON"
MISSING = f"pytauargus is not here: name a Python that has it in {VARIABLE} (see benchmarks/suppression.py)"


def peer_python() -> str | None:
    """The Python that has the peer, or None."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    done = subprocess.run([named, "-c", "import pytauargus"], capture_output=True, check=False)
    return None if done.returncode else named


def random_table(seed: int) -> Problem:
    """A two-way table with its totals; counts under ``N_MIN`` are to be protected."""
    rng = np.random.default_rng(seed)
    rows, columns = 4 + seed % 7, 4 + seed % 5
    inner = 1 + rng.poisson(rng.gamma(2.0, 14.0, size=(rows, columns)))
    full = np.zeros((rows + 1, columns + 1))
    full[:rows, :columns] = inner
    full[rows] = full.sum(axis=0)
    full[:, columns] = full.sum(axis=1)
    most = float(full[rows, columns])
    values = {f"{r},{c}": float(full[r, c]) for r in range(rows + 1) for c in range(columns + 1)}
    cells = {name: Cell(value, value, value, 0.0, 10 * most) for name, value in values.items()}
    relations = [
        *({f"{r},{c}": -1.0 if c == columns else 1.0 for c in range(columns + 1)} for r in range(rows + 1)),
        *({f"{r},{c}": -1.0 if r == rows else 1.0 for r in range(rows + 1)} for c in range(columns + 1)),
    ]
    levels = {name: Level(value, N_MIN - value) for name, value in values.items() if value < N_MIN}
    return Problem(cells, relations, levels, forced=tuple(levels))


def _code(name: str, problem: Problem) -> tuple[str, str]:
    """A cell's row and column as the peer wants them, totals as "T"."""
    last = list(problem.cells)[-1].split(",")
    row, column = name.split(",")
    return ("T" if row == last[0] else f"r{row}", "T" if column == last[1] else f"c{column}")


def of_peer(python: str, problems: list[Problem]) -> list[dict[str, Any]]:
    """What the peer leaves out of each table, as names of ours, and its seconds."""
    tables = []
    for problem in problems:
        cells: list[list[Any]] = []
        for name, cell in problem.cells.items():
            level = problem.levels.get(name)
            cells.append([*_code(name, problem), cell.value, level and level.lower, level and level.upper])
        tables.append({"cells": cells})
    done = subprocess.run([python, str(PEER)], input=json.dumps(tables), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr.strip().splitlines()[-1]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    for problem, one in zip(problems, found, strict=True):
        names = {_code(name, problem): name for name in problem.cells}
        one["suppressed"] = {names[row, column] for row, column in one["suppressed"]}
    return found


def main() -> None:
    """Print the table and what it comes to."""
    python = peer_python()
    if python is None:
        raise SystemExit(MISSING)
    problems = [random_table(seed) for seed in range(TABLES)]
    peers = of_peer(python, problems)
    print(
        f"{'table':<8}{'cells':>6}{'small':>7}{'ours':>6}{'quick':>7}{'peer':>6}"
        f"{'ours s':>8}{'quick s':>9}{'peer s':>8}"
    )
    sums = np.zeros(6)
    unsafe = {"ours": 0, "quick": 0, "peer": 0}
    for seed, (problem, peer) in enumerate(zip(problems, peers, strict=True)):
        started = time.perf_counter()
        exact = suppress(problem)
        middle = time.perf_counter()
        quick = suppress(replace(problem), seconds=0)
        ended = time.perf_counter()
        for name, chosen in (("ours", exact.suppressed), ("quick", quick.suppressed), ("peer", peer["suppressed"])):
            unsafe[name] += not is_protected(problem, chosen)
        row = [len(exact.suppressed), len(quick.suppressed), len(peer["suppressed"])]
        times = [middle - started, ended - middle, peer["seconds"]]
        sums += np.array([*row, *times])
        said = f"{seed:<8}{len(problem.cells):>6}{len(problem.levels):>7}{row[0]:>6}{row[1]:>7}{row[2]:>6}"
        print(
            said + f"{times[0]:>8.2f}{times[1]:>9.2f}{times[2]:>8.2f}" + ("" if exact.is_optimal else "  time ran out")
        )
    print(f"{'all':<21}{sums[0]:>6.0f}{sums[1]:>7.0f}{sums[2]:>6.0f}{sums[3]:>8.2f}{sums[4]:>9.2f}{sums[5]:>8.2f}")
    print(
        f"cells left out, times the peer's: ours {sums[0] / sums[2]:.3f}, heuristic alone {sums[1] / sums[2]:.3f}"
        f" (goal: at most {GOAL_TIMES})"
    )
    print("tables left unprotected: " + ", ".join(f"{name} {count}" for name, count in unsafe.items()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        raise SystemExit("python -m benchmarks.suppression takes no arguments")
    main()
