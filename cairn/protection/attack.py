"""What somebody works out who has everything that was published: the tightest interval of each number, by linear
programmes (HiGHS by scipy.optimize.linprog) over all tables at once, numbers of pupils being whole and 0 or more."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

# Where nothing is said of a number of pupils, no district has more.
MOST = 1e7
# A share "below 17.5 %" is at least so far below it in pupils: n is whole and the share a multiple of 1/200.
BELOW = 1e-4
ROUND = 1e-6
# Two programmes that settle more numbers than this are cheaper than those of each number by itself.
WORTH = 2
Interval = tuple[int, int]
Form = Mapping[str, float]


@dataclass
class Claims:
    """What is published, as an attacker writes it down: bounds of numbers by name, sums that are 0, sums that are 0 or
    less."""

    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    equal: list[Form] = field(default_factory=list)
    at_most: list[Form] = field(default_factory=list)

    def say(self, name: str, low: float | None, high: float | None) -> None:
        """A number lies between two bounds (None: not said); a second word on it narrows the first."""
        before = self.bounds.get(name, (0.0, MOST))
        self.bounds[name] = (
            before[0] if low is None else max(before[0], low),
            before[1] if high is None else min(before[1], high),
        )

    def say_share(self, part: str, whole: str, low: float | None, high: float | None) -> None:
        """``part`` of ``whole`` is a share between two bounds, below the upper one where that is not 1."""
        for name in (part, whole):
            self.say(name, None, None)
        self.at_most.append({part: 1.0, whole: -1.0})
        if low:
            self.at_most.append({part: -1.0, whole: low})
        if high is not None and high < 1:
            self.at_most.append({part: 1.0, whole: -high, _ONE: BELOW})
            self.bounds[_ONE] = (1.0, 1.0)

    def say_sum(self, total: str, parts: Iterable[str]) -> None:
        """A number is the sum of others."""
        form = dict.fromkeys(parts, 1.0) | {total: -1.0}
        for name in form:
            self.say(name, None, None)
        self.equal.append(form)

    def parts(self) -> list[Claims]:
        """The claims taken apart into numbers that hang together."""
        root = {name: name for name in self.bounds}

        def top(name: str) -> str:
            while root[name] != name:
                root[name] = root[root[name]]
                name = root[name]
            return name

        for form in (*self.equal, *self.at_most):
            first, *others = (name for name in form if name != _ONE)
            for name in others:
                root[top(name)] = top(first)
        found: dict[str, Claims] = {}
        for name, bound in self.bounds.items():
            if name != _ONE:
                found.setdefault(top(name), Claims(bounds={_ONE: (1.0, 1.0)})).bounds[name] = bound
        for kind in ("equal", "at_most"):
            for form in getattr(self, kind):
                name = next(name for name in form if name != _ONE)
                getattr(found[top(name)], kind).append(form)
        return list(found.values())


_ONE = "1"


class Contradiction(ValueError):
    """No numbers at all fit what is published."""


def intervals(
    claims: Claims, wanted: Iterable[str], enough: int | None = None, strict: Collection[str] = ()
) -> dict[str, Interval]:
    """The smallest and largest whole number that each wanted one may be.

    ``enough``: once so many values of a number are known to be possible no more of them are looked for, which takes a
    small part of the programmes; its interval is then one within that of all of them. Of a number that is not among the
    ``strict`` more than half as many do where one of them is no smaller than ``enough``. Raises Contradiction where
    nothing fits the claims, KeyError where a wanted number is in none of them.
    """
    left = set(wanted)
    unknown = left - set(claims.bounds)
    if unknown:
        raise KeyError(f"no claim names {sorted(unknown)[0]}")
    found: dict[str, Interval] = {}
    for part in claims.parts():
        own = sorted(left & set(part.bounds))
        if own:
            found |= _of_part(part, own, enough, strict)
    return found


def _of_part(part: Claims, wanted: Sequence[str], enough: int | None, strict: Collection[str]) -> dict[str, Interval]:
    if not part.equal and not part.at_most:
        return {name: _whole(*part.bounds[name]) for name in wanted}
    names = list(part.bounds)
    index = {name: number for number, name in enumerate(names)}
    equal, at_most = _matrix(part.equal, index), _matrix(part.at_most, index)
    bounds = np.array([part.bounds[name] for name in names])
    # What solutions met on the way reach is reached: where that is the bound itself no programme need ask.
    seen_low, seen_high = np.full(len(names), np.inf), np.full(len(names), -np.inf)

    def solve(objective: np.ndarray) -> float:
        done = linprog(
            objective,
            A_eq=equal,
            b_eq=None if equal is None else np.zeros(equal.shape[0]),
            A_ub=at_most,
            b_ub=None if at_most is None else np.zeros(at_most.shape[0]),
            bounds=bounds,
            method="highs",
        )
        if done.status != 0:
            raise Contradiction(f"what is published of {wanted[0]} contradicts itself: {done.message}")
        np.minimum(seen_low, done.x, out=seen_low)
        np.maximum(seen_high, done.x, out=seen_high)
        return float(done.fun)

    found = {}
    for sign in (1.0, -1.0):
        solve(np.full(len(names), sign))
    is_strict = np.array([name in strict for name in names])
    numbers = np.array([index[name] for name in wanted])
    is_open = np.zeros(len(names), dtype=bool)
    rng = np.random.default_rng(len(names))
    is_worth = enough is not None
    while is_worth and enough is not None:
        # Any directions do: each solution moves many numbers at once, and those not yet met well enough are pulled.
        before = is_open.sum()
        for sign in (1.0, -1.0):
            pulled = np.zeros(len(names))
            left = numbers[~is_open[numbers]]
            pulled[left] = sign * rng.normal(size=len(left))
            solve(pulled)
        least, most = np.ceil(seen_low - ROUND), np.floor(seen_high + ROUND)
        is_open = (most - least + 1 >= enough) | (~is_strict & (most >= enough) & (most - least >= enough // 2))
        is_worth = bool(is_open.sum() - before > WORTH and not is_open[numbers].all())
    for name in wanted:
        number = index[name]
        if is_open[number]:
            found[name] = _whole(seen_low[number], seen_high[number])
            continue
        low, high = bounds[number]
        objective = np.zeros(len(names))
        objective[number] = 1.0
        lowest = low if seen_low[number] <= low + ROUND else solve(objective)
        highest = high if seen_high[number] >= high - ROUND else -solve(-objective)
        found[name] = _whole(lowest, highest)
    return found


def _whole(low: float, high: float) -> Interval:
    return math.ceil(low - ROUND), math.floor(high + ROUND)


def _matrix(forms: Sequence[Form], index: Mapping[str, int]) -> csr_array | None:
    if not forms:
        return None
    rows = [number for number, form in enumerate(forms) for _ in form]
    columns = [index[name] for form in forms for name in form]
    weights = [weight for form in forms for weight in form.values()]
    return csr_array((weights, (rows, columns)), shape=(len(forms), len(index)))


def numerators(whole: Interval, low: float, high: float) -> tuple[Interval, Interval] | None:
    """The smallest and largest part of a whole base, and of those not in it, for which a share lies in ``low`` to
    ``high`` (``high`` not included unless it is 1), tried for every base: what a rounded percentage gives away by
    itself. None: no part."""
    parts: list[int] = []
    others: list[int] = []
    for base in range(whole[0], whole[1] + 1):
        least = math.ceil(low * base - ROUND)
        most = base if high >= 1 else math.ceil(high * base - ROUND) - 1
        if least <= most:
            parts += [least, most]
            others += [base - most, base - least]
    return ((min(parts), max(parts)), (min(others), max(others))) if parts else None
