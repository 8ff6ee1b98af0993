"""The audit of what is about to be published: an attacker's four ways, and the cells that she gets.

She has every table of the publication, all earlier publications, and the rules. ``rounding``: a share and its base
have too few solutions. ``margins``: totals and other tables narrow a number that nobody may work out. ``subtraction``:
two numbers of almost the same pupils differ by few. ``earlier``: so do two publications of the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cairn.protection.attack import Claims, Contradiction, Interval, intervals, numerators
from cairn.protection.published import COUNT, SHARE, Key, PublishedCell, PublishedTable

ROUNDING, MARGINS, SUBTRACTION, EARLIER = "rounding", "margins", "subtraction", "earlier"
ATTACKS = (ROUNDING, MARGINS, SUBTRACTION, EARLIER)
COMPLEMENT = " (the others)"
# Bases of which every whole number is tried.
MOST_BASES = 20_000


@dataclass(frozen=True)
class CellName:
    """A cell of a table."""

    table: str
    key: Key
    metric: str

    def __str__(self) -> str:
        return f"{self.table} {'/'.join(self.key)} {self.metric}"


@dataclass(frozen=True)
class Failure:
    """A cell that an attacker gets too well, by which way, and ``why`` in words without a number of pupils.
    ``is_contradiction``: no numbers fit what is told; leaving out would hide the error."""

    cell: CellName
    attack: str
    why: str
    is_contradiction: bool = False

    def __str__(self) -> str:
        return f"{self.cell}: {self.why}"


@dataclass(frozen=True)
class Pair:
    """Two numbers of almost the same pupils, on two pages. ``is_part``: every pupil of the second is in the first."""

    whole: CellName
    part: CellName
    is_part: bool = False
    is_same: bool = False


@dataclass(frozen=True)
class Earlier:
    """All tables of an earlier publication, the day of it for the message, and which of its numbers are alike."""

    day: str
    tables: Mapping[str, PublishedTable]
    pairs: Sequence[Pair] = ()


def claims_of(tables: Iterable[PublishedTable], pairs: Iterable[Pair] = ()) -> Claims:
    """Everything that the tables say of numbers of pupils. A share's part has a second name for those not in it."""
    claims = Claims()
    for table in tables:
        for key, row in table.rows.items():
            for metric, cell in row.items():
                name = str(CellName(table.name, key, metric))
                if cell.kind == COUNT:
                    claims.say(name, cell.low, cell.high)
                elif cell.kind == SHARE and metric in table.shares:
                    whole = str(CellName(table.name, key, table.shares[metric]))
                    claims.say_share(name, whole, cell.low, cell.high)
                    claims.say_sum(whole, (name, name + COMPLEMENT))
                    _say_sides(claims, name, cell, row[table.shares[metric]])
        for total, parts in table.totals.items():
            for metric in _added(table):
                claims.say_sum(
                    str(CellName(table.name, total, metric)),
                    (str(CellName(table.name, part, metric)) for part in parts),
                )
    for pair in pairs:
        if pair.is_same:
            claims.say_sum(str(pair.whole), (str(pair.part),))
        elif pair.is_part:
            claims.at_most.append({str(pair.part): 1.0, str(pair.whole): -1.0})
    return claims


def _say_sides(claims: Claims, name: str, cell: PublishedCell, base: PublishedCell) -> None:
    """What a share and the bounds of its base say of the part and of those not in it: nothing new, and quick to use."""
    low, high = (0.0 if cell.low is None else cell.low), (1.0 if cell.high is None else cell.high)
    if base.low is not None and base.high is not None:
        claims.say(name, low * base.low, high * base.high)
        claims.say(name + COMPLEMENT, (1 - high) * base.low, (1 - low) * base.high)


def _added(table: PublishedTable) -> list[str]:
    """Metrics of which a total is the sum of its parts: counts, and the parts behind shares."""
    first = next(iter(table.rows.values()), {})
    return [metric for metric, cell in first.items() if cell.kind == COUNT or metric in table.shares]


def audit(
    tables: Sequence[PublishedTable],
    n_min: int,
    sensitive: Collection[CellName] = (),
    pairs: Sequence[Pair] = (),
    earlier: Sequence[Earlier] = (),
) -> list[Failure]:
    """Every cell that an attacker gets too well; none where the tables may be published.

    ``sensitive`` are cells whose true number is under the smallest group, or all but so few: she must be left with
    ``n_min`` possible values of it and of its complement. Any other cell fails only where she is sure of few pupils.
    """
    strict = {str(one) for one in sensitive}
    try:
        known = _Known(claims_of(tables, pairs), n_min, strict | {name + COMPLEMENT for name in strict})
    except Contradiction as error:
        return [Failure(next(iter(_numbers(tables))), MARGINS, str(error), is_contradiction=True)]
    found = _by_rounding(tables, known, n_min)
    hit = {str(one.cell) for one in found}
    by_name = {str(cell): cell for cell in _numbers(tables)}
    for name, cell in by_name.items():
        sides = [side for side in (name, name + COMPLEMENT) if side in known.met]
        if name not in hit and any(_is_narrow(known.met[side], n_min, name in strict) for side in sides):
            found.append(Failure(cell, MARGINS, f"totals leave fewer than {n_min} possible numbers of pupils"))
    found += [
        Failure(pair.part, SUBTRACTION, f"differs from {pair.whole} by fewer than {n_min} pupils")
        for pair in pairs
        if not pair.is_same and _tells_few((known, str(pair.whole)), (known, str(pair.part)), n_min)
    ]
    for before in earlier:
        found += _since(tables, known, before, n_min)
    return found


class _Known:
    """What an attacker gets: of each number as many values as are enough to see that she does not (``met``), and all
    of them where that has to be seen (``whole``)."""

    def __init__(
        self, claims: Claims, n_min: int, strict: Collection[str] = (), wanted: Collection[str] | None = None
    ) -> None:
        """``wanted``: the numbers to look at; all of them where it is not given."""
        self._claims = claims
        self._whole: dict[str, Interval] = {}
        names = [name for name in claims.bounds if name != "1"] if wanted is None else wanted
        self.met = intervals(claims, names, n_min, strict)

    def whole(self, name: str) -> Interval:
        """Everything that a number may be."""
        if name not in self._whole:
            self._whole |= intervals(self._claims, [name])
        return self._whole[name]


def _numbers(tables: Iterable[PublishedTable]) -> list[CellName]:
    """Every cell that stands for a number of pupils."""
    return [
        CellName(table.name, key, metric)
        for table in tables
        for key, row in table.rows.items()
        for metric, cell in row.items()
        if cell.kind == COUNT or (cell.kind == SHARE and metric in table.shares)
    ]


def _is_narrow(interval: Interval, n_min: int, is_sensitive: bool) -> bool:
    """Whether too few values are left: of a sensitive number in any case, of another where all of them are few."""
    low, high = interval
    return high - low + 1 < n_min and (is_sensitive or high < n_min)


def _by_rounding(tables: Iterable[PublishedTable], known: _Known, n_min: int) -> list[Failure]:
    """Shares of which base and percentage leave only few pupils, or all but few, as whole numbers."""

    def is_few(around: Interval, cell: PublishedCell) -> bool:
        low, high = cell.low or 0.0, 1.0 if cell.high is None else cell.high
        return any(_is_narrow(side, n_min, False) for side in numerators(around, low, high) or ())

    found = []
    for table in tables:
        for key, row in table.rows.items():
            for metric, base in table.shares.items():
                cell, whole = row.get(metric), row.get(base)
                if cell is None or whole is None or cell.low is None or cell.high is None:
                    continue
                name = str(CellName(table.name, key, base))
                if known.met[name][1] - known.met[name][0] > MOST_BASES or not is_few(known.met[name], cell):
                    continue
                if is_few(known.whole(name), cell):
                    why = f"the percentage and its base leave fewer than {n_min} possible numbers of pupils"
                    found.append(Failure(CellName(table.name, key, metric), ROUNDING, why))
    return found


def _tells_few(one: tuple[_Known, str], other: tuple[_Known, str], n_min: int) -> bool:
    """Whether the difference of two numbers is known to within fewer than ``n_min`` values and may be that of few
    pupils. One that is known to be none tells of nobody."""

    def is_few(first: Interval, second: Interval) -> bool:
        low, high = first[0] - second[1], first[1] - second[0]
        if high - low + 1 >= n_min or low == high == 0:
            return False
        return low < n_min and high > -n_min

    met, others = (known.met[name] for known, name in (one, other))
    return is_few(met, others) and is_few(one[0].whole(one[1]), other[0].whole(other[1]))


def _since(tables: Sequence[PublishedTable], known: _Known, before: Earlier, n_min: int) -> list[Failure]:
    """Numbers that differ from an earlier publication of them by few pupils. What an attacker had of that day is all of
    its tables, what they share included."""
    shared = [table for table in tables if table.name in before.tables]
    past = claims_of(before.tables.values(), before.pairs)
    doubtful: dict[str, CellName] = {}
    for cell in _numbers(shared):
        name = str(cell)
        for side in (name, name + COMPLEMENT):
            # What is left open of one of two numbers is left open of their difference.
            if side in known.met and side in past.bounds and known.met[side][1] - known.met[side][0] + 1 < n_min:
                doubtful[side] = cell
    try:
        then = _Known(past, n_min, wanted=doubtful)
    except Contradiction:
        # Its pages did not fit each other (numbers thought to be the same were not): each by itself still tells.
        then = _Known(claims_of(before.tables.values()), n_min, wanted=doubtful)
    hit = [
        cell
        for side, cell in doubtful.items()
        if _tells_few((known, side), (then, side), n_min)
        and not (_same(before.tables[cell.table], cell, tables) and known.whole(side) == then.whole(side))
    ]
    why = f"differs from the publication of {before.day} by fewer than {n_min} pupils"
    return [Failure(cell, EARLIER, why) for cell in dict.fromkeys(hit)]


def _same(past: PublishedTable, cell: CellName, tables: Iterable[PublishedTable]) -> bool:
    """Whether the cell and its base say what they said. What others say of it may have moved all the same."""
    now = next(table for table in tables if table.name == cell.table)

    def said(table: PublishedTable) -> tuple[PublishedCell | None, PublishedCell | None]:
        row = table.rows.get(cell.key, {})
        return row.get(cell.metric), row.get(table.shares.get(cell.metric, ""))

    return said(now) == said(past)
