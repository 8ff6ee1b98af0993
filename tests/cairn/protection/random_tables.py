"""Random tables of counts with their margins, as cell suppression problems."""

from __future__ import annotations

import numpy as np

from cairn.protection.suppression import Cell, Level, Problem


def table_problem(seed: int, rows: int, columns: int, n_min: int = 10, mean: float = 22.0) -> Problem:
    """A two-way table of exact counts with row, column and grand totals; counts of 1 to ``n_min`` - 1 are to be
    protected: an attacker must not narrow one to fewer than ``n_min`` values."""
    rng = np.random.default_rng(seed)
    inner = rng.poisson(rng.gamma(2.0, mean / 2.0, size=(rows, columns)))
    full = np.zeros((rows + 1, columns + 1), dtype=int)
    full[:rows, :columns] = inner
    full[rows] = full.sum(axis=0)
    full[:, columns] = full.sum(axis=1)
    total = float(full[rows, columns])
    values = {f"{r},{c}": float(full[r, c]) for r in range(rows + 1) for c in range(columns + 1)}
    cells = {name: Cell(value, value, value, 0.0, total) for name, value in values.items()}
    relations = [
        *({f"{r},{c}": -1.0 if c == columns else 1.0 for c in range(columns + 1)} for r in range(rows + 1)),
        *({f"{r},{c}": -1.0 if r == rows else 1.0 for r in range(rows + 1)} for c in range(columns + 1)),
    ]
    levels = {name: Level(width=n_min - 1) for name, value in values.items() if 0 < value < n_min}
    return Problem(cells, relations, levels, forced=tuple(levels))
