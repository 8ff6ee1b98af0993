"""Complementary suppression: which more cells to leave out, so that no margin gives back what the rules hid.

The cell suppression problem over any set of linear relations between cells (M. Fischetti & J. J. Salazar, "Solving the
Cell Suppression Problem on Tabular Data with Linear Constraints", Management Science 47 (2001) 1008-1027): a master
programme chooses cells (HiGHS by scipy.optimize.milp); for each cell that must be protected two linear programmes play
the attacker, and where she comes too close the dual of hers becomes a constraint of the master, until she never does:
then the choice is the cheapest there is. Relations that share no cell are solved apart. Where the time runs out the
heuristic of J. Kelly, B. Golden & A. Assad ("Cell suppression: disclosure protection for sensitive tabular data",
Networks 22 (1992) 397-417) goes on: the cheapest flow that moves each cell far enough, what it moves is left out, and
what was left out for nothing comes back; the result is valid and not proven the cheapest.

A cell that is told may be told as an interval (a rounded number); it then lends its width to the others.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import csr_array

SLACK = 1e-6
SECONDS = 20.0
# Two programmes that settle no more cells than this are dearer than those of each cell by itself.
WORTH = 2
_SIDES = ("lower", "upper", "width")
Relation = Mapping[str, float]


@dataclass(frozen=True)
class Cell:
    """A cell's true ``value``; what its publication says of it (``told_low`` to ``told_high``: the value itself where
    it is exact); what an attacker knows of it anyway where it is left out; what leaving it out costs."""

    value: float
    told_low: float
    told_high: float
    hidden_low: float
    hidden_high: float
    cost: float = 1.0


@dataclass(frozen=True)
class Level:
    """How far from its value an attacker must believe a cell can lie: below, above, and both together."""

    lower: float = 0.0
    upper: float = 0.0
    width: float = 0.0


@dataclass(frozen=True)
class Problem:
    """Cells by name; relations, each a sum of cells times a number that is 0; levels of those to be protected; those
    that are left out in any case, and those that must not be."""

    cells: Mapping[str, Cell]
    relations: Sequence[Relation]
    levels: Mapping[str, Level]
    forced: Collection[str] = ()
    kept: Collection[str] = ()


@dataclass(frozen=True)
class Solution:
    """The cells left out, the forced ones included; whether no cheaper choice exists; rounds of the attacker."""

    suppressed: frozenset[str]
    is_optimal: bool
    rounds: int = 0


class CannotProtect(ValueError):
    """Even with everything left out that may be, a cell stays too well known; the message names it."""


@dataclass
class _Part:
    """Cells that hang together, as arrays."""

    names: list[str]
    matrix: csr_array
    told: np.ndarray  # of shape (2, n): deviations below and above the value, both 0 or more
    hidden: np.ndarray
    cost: np.ndarray
    levels: dict[int, Level]
    forced: set[int]
    kept: set[int]
    relations: list[dict[int, float]]
    cuts: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def reach(self, chosen: np.ndarray) -> np.ndarray:
        """How far each cell may move below and above, by what is left out."""
        reach: np.ndarray = np.where(chosen, self.hidden, self.told)
        return reach

    def attack(self, chosen: np.ndarray, cell: int, sign: int) -> tuple[float, np.ndarray]:
        """The furthest that the cell may lie from its value above (sign 1) or below (-1), and the dual: weight of the
        reach of each cell below (first row) and above."""
        below, above = self.reach(chosen)
        objective = np.zeros(len(self.names))
        objective[cell] = -sign
        zeros = np.zeros(self.matrix.shape[0])
        bounds = np.column_stack([-below, above])
        found = linprog(objective, A_eq=self.matrix, b_eq=zeros, bounds=bounds, method="highs")
        if found.status != 0:
            raise CannotProtect(f"the attacker's programme has no end: {found.message}")
        reduced = found.lower.marginals + found.upper.marginals
        return -float(found.fun), np.vstack([np.maximum(reduced, 0), np.maximum(-reduced, 0)])

    def missing(self, chosen: np.ndarray, cell: int) -> list[tuple[float, np.ndarray]]:
        """What the cell lacks: (level wanted, dual weights of the attack), one for each of its levels not reached."""
        level = self.levels[cell]
        up, up_dual = self.attack(chosen, cell, 1)
        down, down_dual = self.attack(chosen, cell, -1)
        found = []
        if up < level.upper - SLACK:
            found.append((level.upper, up_dual))
        if down < level.lower - SLACK:
            found.append((level.lower, down_dual))
        if up + down < level.width - SLACK:
            found.append((level.width, up_dual + down_dual))
        return found

    def unprotected(self, chosen: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """:meth:`missing` of every cell that has a level."""
        return [one for cell in self.doubtful(chosen) for one in self.missing(chosen, cell)]

    def doubtful(self, chosen: np.ndarray) -> list[int]:
        """Cells with a level that programmes of many cells at once do not show to be protected: each solution is a
        table that fits, and moves many cells; one or two programmes a cell are dear where cells are many."""
        left = np.array(list(self.levels), dtype=int)
        lower, upper, width = (np.array([getattr(self.levels[cell], of) for cell in left]) for of in _SIDES)
        lowest, highest = np.zeros(len(self.names)), np.zeros(len(self.names))
        below, above = self.reach(chosen)
        bounds, zeros = np.column_stack([-below, above]), np.zeros(self.matrix.shape[0])
        rng = np.random.default_rng(len(left))
        is_worth = len(left) > WORTH
        while is_worth:
            for sign in (1.0, -1.0):
                objective = np.zeros(len(self.names))
                objective[left] = sign * rng.normal(size=len(left))
                found = linprog(objective, A_eq=self.matrix, b_eq=zeros, bounds=bounds, method="highs")
                if found.status != 0:
                    raise CannotProtect(f"the attacker's programme has no end: {found.message}")
                lowest, highest = np.minimum(lowest, found.x), np.maximum(highest, found.x)
            up, down = highest[left] + SLACK, SLACK - lowest[left]
            is_left = (up < upper) | (down < lower) | (up + down < width)
            is_worth = bool(len(left) - is_left.sum() > WORTH and is_left.sum() > WORTH)
            left, lower, upper, width = left[is_left], lower[is_left], upper[is_left], width[is_left]
        return [int(cell) for cell in left]

    def add_cut(self, wanted: float, dual: np.ndarray) -> None:
        """The reach of the cells chosen, weighed by the dual, must come to what is wanted."""
        gain = (dual * (self.hidden - self.told)).sum(axis=0)
        rest = wanted - float((dual * self.told).sum())
        for cell in sorted(self.forced):
            rest -= gain[cell]
            gain[cell] = 0.0
        # A coefficient above the right side says no more than the right side: z is 0 or 1.
        self.cuts.append((np.minimum(gain / rest, 1.0), 1.0))


def suppress(problem: Problem, seconds: float = SECONDS) -> Solution:
    """The cheapest cells to leave out; the heuristic's where ``seconds`` do not suffice.

    Raises CannotProtect, which names the cell, where nothing protects it.
    """
    chosen: set[str] = set(problem.forced)
    is_optimal, rounds = True, 0
    parts = [part for part in _parts(problem) if part.levels]
    ends = time.monotonic() + seconds
    for part in parts:
        everything = np.array([index not in part.kept or index in part.forced for index in range(len(part.names))])
        for cell in part.doubtful(everything):
            if part.missing(everything, cell):
                raise CannotProtect(f"{part.names[cell]} cannot be protected: too few other cells may be left out")
        found, is_proven, taken = _exact(part, ends)
        if found is None:
            found = _heuristic(part)
        chosen |= {part.names[index] for index in np.flatnonzero(found)}
        is_optimal, rounds = is_optimal and is_proven, rounds + taken
    return Solution(frozenset(chosen), is_optimal, rounds)


def is_protected(problem: Problem, suppressed: Collection[str]) -> bool:
    """Whether the attacker stays as far from each cell as its level wants."""
    return not any(
        part.unprotected(np.array([name in suppressed for name in part.names]))
        for part in _parts(problem)
        if part.levels
    )


def _parts(problem: Problem) -> list[_Part]:
    """The problem taken apart into cells that hang together by relations, in the order of their names."""
    root = {name: name for name in problem.cells}

    def top(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for relation in problem.relations:
        first, *others = relation
        for name in others:
            root[top(name)] = top(first)
    groups: dict[str, list[str]] = {}
    for name in sorted(problem.cells):
        groups.setdefault(top(name), []).append(name)
    of_group: dict[str, list[Relation]] = {}
    for relation in problem.relations:
        of_group.setdefault(top(next(iter(relation))), []).append(relation)
    return [_part(problem, names, of_group.get(group, [])) for group, names in groups.items()]


def _part(problem: Problem, names: list[str], relations: Sequence[Relation]) -> _Part:
    """The arrays of a part; ``names`` are sorted. Relations, and the cells of each, are in one order however they were
    given: where several choices are as cheap the order says which is found, and the same numbers must give the same
    table (unless the time runs out)."""
    relations = sorted(relations, key=lambda relation: sorted(relation.items()))
    index = {name: number for number, name in enumerate(names)}
    rows = [{index[name]: relation[name] for name in sorted(relation)} for relation in relations]
    matrix = np.zeros((max(len(rows), 1), len(names)))
    for number, row in enumerate(rows):
        for cell, weight in row.items():
            matrix[number, cell] = weight
    cells = [problem.cells[name] for name in names]
    told = np.array([[cell.value - cell.told_low for cell in cells], [cell.told_high - cell.value for cell in cells]])
    hidden = np.array(
        [[cell.value - cell.hidden_low for cell in cells], [cell.hidden_high - cell.value for cell in cells]]
    )
    return _Part(
        names=names,
        matrix=csr_array(matrix),
        told=told,
        hidden=np.maximum(hidden, told),
        cost=np.array([cell.cost for cell in cells]),
        levels={index[name]: problem.levels[name] for name in names if name in problem.levels},
        forced={index[name] for name in problem.forced if name in index},
        kept={index[name] for name in problem.kept if name in index},
        relations=rows,
    )


def _alone(part: _Part) -> list[tuple[np.ndarray, float]]:
    """A cell left out alone in a relation whose other cells are exact is left out for nothing: it wants another."""
    is_exact = (part.told == 0).all(axis=0)
    found = []
    for relation in part.relations:
        if all(is_exact[cell] for cell in relation):
            for cell in relation:
                row = np.zeros(len(part.names))
                row[[other for other in relation if other != cell]] = 1
                row[cell] = -1
                found.append((row, 0.0))
    return found


def _exact(part: _Part, ends: float) -> tuple[np.ndarray | None, bool, int]:
    """(cells left out, whether proven the cheapest, rounds); None where the time ran out before they were valid."""
    low, high = np.zeros(len(part.names)), np.ones(len(part.names))
    low[list(part.forced)] = 1
    high[[cell for cell in part.kept if cell not in part.forced]] = 0
    chosen = low > 0
    rounds = 0
    start = _alone(part)
    is_proven = True
    while missing := part.unprotected(chosen):
        left = ends - time.monotonic()
        if left <= 0:
            return None, False, rounds
        for wanted, dual in missing:
            part.add_cut(wanted, dual)
        rows = [*start, *part.cuts]
        constraint = LinearConstraint(np.array([row for row, _ in rows]), lb=np.array([least for _, least in rows]))
        found = milp(
            part.cost,
            integrality=np.ones(len(low)),
            bounds=(low, high),
            constraints=constraint,
            options={"time_limit": left},
        )
        if found.x is None:
            return None, False, rounds
        is_proven = is_proven and found.status == 0
        chosen = found.x > 0.5
        rounds += 1
    return chosen, is_proven, rounds


def _heuristic(part: _Part) -> np.ndarray:
    """Valid, not proven the cheapest: the cheapest flow for each cell; what was left out for nothing comes back."""
    chosen = np.array([cell in part.forced for cell in range(len(part.names))])
    for cell in sorted(part.levels, key=lambda one: -max(vars(part.levels[one]).values())):
        level = part.levels[cell]
        for sign, wanted in ((1, level.upper), (-1, level.lower)):
            chosen |= _flow(part, chosen, cell, sign * wanted)
        if part.missing(chosen, cell):  # the width of both sides together
            up, _ = part.attack(chosen, cell, 1)
            down, _ = part.attack(chosen, cell, -1)
            room = part.hidden[1, cell] - up
            more = level.width - up - down
            chosen |= _flow(part, chosen, cell, up + min(more, room))
            if more > room:
                chosen |= _flow(part, chosen, cell, -(down + more - room))
    for cell in sorted(np.flatnonzero(chosen).tolist(), key=lambda one: -part.cost[one]):
        if cell not in part.forced:
            chosen[cell] = False
            if part.unprotected(chosen):
                chosen[cell] = True
    return chosen


def _flow(part: _Part, chosen: np.ndarray, cell: int, wanted: float) -> np.ndarray:
    """Cells that move beyond what is told where ``cell`` moves by ``wanted``, as cheaply as may be."""
    if wanted == 0:
        return np.zeros(len(chosen), dtype=bool)
    told = part.reach(chosen)
    may = np.array([index not in part.kept or index in part.forced for index in range(len(chosen))])
    extra = np.where(may & ~chosen, part.hidden - part.told, 0.0)
    bounds = np.concatenate([told[0], told[1], extra[0], extra[1]])
    count = len(chosen)
    signs = [-1.0, 1.0, -1.0, 1.0]
    moves = np.hstack([sign * np.eye(count) for sign in signs])
    # Unit costs over the reach, so that a large cell is not cheap because a small move suffices.
    paid = np.concatenate([np.zeros(2 * count), part.cost, part.cost])
    equal = np.vstack([part.matrix.toarray() @ moves, moves[cell : cell + 1]])
    right = np.concatenate([np.zeros(part.matrix.shape[0]), [wanted]])
    found = linprog(paid, A_eq=equal, b_eq=right, bounds=np.column_stack([np.zeros(4 * count), bounds]), method="highs")
    if found.status != 0:
        raise CannotProtect(f"{part.names[cell]} cannot be moved by {wanted:g}: {found.message}")
    beyond = found.x[2 * count : 3 * count] + found.x[3 * count :]
    moved: np.ndarray = beyond > SLACK
    return moved
