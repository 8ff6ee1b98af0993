"""From true numbers to a published table: the primary rules cell by cell, then complementary suppression by totals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cairn.protection.audit import MARGINS, CellName, Failure, Pair, audit
from cairn.protection.published import COUNT, MEAN, MONEY, NOTHING, SHARE, Key, PublishedCell, PublishedTable
from cairn.protection.rules import Rules, hidden, is_sensitive_count, is_sensitive_part
from cairn.protection.suppression import SECONDS, CannotProtect, Cell, Level, Problem, Relation, suppress

Number = float | int | None
COST_OF_A_BOUND = 0.25


@dataclass(frozen=True)
class Metric:
    """A column: a count of pupils; a share, whose raw number is the count of its part; a mean over pupils; or money,
    whose raw number is the sum that is divided by the pupils. ``of`` is the count it rests on."""

    name: str
    kind: str = COUNT
    of: str = ""
    digits: int = 0


@dataclass(frozen=True)
class RawTable:
    """True numbers, which are published nowhere: rows by key, None where a number is not known. Counts stand before
    what rests on them. ``totals``: keys of rows that are sums of others to the keys of those."""

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: Mapping[Key, Mapping[str, Number]]
    totals: Mapping[Key, Sequence[Key]] = field(default_factory=dict)


@dataclass(frozen=True)
class Protected:
    """A table as it may be published, the cells whose true number nobody may work out, and how many cells are left out
    beyond the primary rules."""

    table: PublishedTable
    sensitive: frozenset[CellName]
    suppressed: int
    is_optimal: bool = True


def protect(raw: RawTable, rules: Rules, seconds: float = SECONDS) -> Protected:
    """The table as it may be published beside its own totals.

    Raises CannotProtect where even all dashes would not do, ValueError for a part that is larger than its whole.
    """
    rows: dict[Key, dict[str, PublishedCell]] = {key: {} for key in raw.rows}
    sensitive: set[CellName] = set()
    left_out, is_optimal = 0, True
    for metric in raw.metrics:
        for key, numbers in raw.rows.items():
            rows[key][metric.name] = _told(metric, numbers, rows[key], rules)
        if metric.kind not in (COUNT, SHARE):
            continue
        sensitive |= {CellName(raw.name, key, metric.name) for key in _sensitive(raw, metric, rules.n_min)}
        gone, is_proven = _suppressed(raw, metric, rows, rules, seconds)
        for key in gone:
            left_out += rows[key][metric.name] != hidden(rows[key][metric.name])
            rows[key][metric.name] = hidden(rows[key][metric.name])
        is_optimal = is_optimal and is_proven
    table = PublishedTable(
        raw.name,
        raw.dimensions,
        tuple(metric.name for metric in raw.metrics),
        rows,
        {metric.name: metric.of for metric in raw.metrics if metric.kind == SHARE},
        raw.totals,
    )
    done = Protected(table, frozenset(sensitive), left_out, is_optimal)
    return _closed(raw, done, rules.n_min) if raw.totals else done


def _closed(raw: RawTable, done: Protected, n_min: int) -> Protected:
    """The table, what an attacker still gets left out too: she couples a share with its base, the programme above takes
    each metric by itself. The smallest number told in a sum with the cell is left out, until she gets none."""
    while failures := [one for one in audit([done.table], n_min, done.sensitive) if one.attack == MARGINS]:
        rows = {key: dict(row) for key, row in done.table.rows.items()}
        for failure in failures:
            key, metric = failure.cell.key, failure.cell.metric
            beside = _beside(done.table, rows, failure.cell)
            if not beside:
                raise CannotProtect(f"{raw.name}, {metric}: {'/'.join(key)} cannot be protected by leaving cells out")
            least, name = min(beside, key=lambda one: (one[0] != key, float(raw.rows[one[0]][one[1]] or 0)))
            rows[least][name] = hidden(rows[least][name])
        more = sum(row[name] != done.table.rows[key][name] for key, row in rows.items() for name in row)
        done = replace(done, table=replace(done.table, rows=rows), suppressed=done.suppressed + more, is_optimal=False)
    return done


def _beside(
    table: PublishedTable, rows: Mapping[Key, Mapping[str, PublishedCell]], cell: CellName
) -> list[tuple[Key, str]]:
    """Cells still told, one of which is to be left out for ``cell``: of the same sums first, then of the table; of the
    metric first, then of its base."""
    near = [one for total, parts in table.totals.items() if cell.key in (total, *parts) for one in (total, *parts)]
    base = table.shares.get(cell.metric, cell.metric)
    tried = [(keys, name) for name in (cell.metric, base) for keys in ([cell.key], near, list(rows))]
    told = ([(one, name) for one in keys if rows[one][name].text != NOTHING] for keys, name in tried)
    return next((cells for cells in told if cells), [])


def leave_out(parts: Sequence[Protected], failures: Iterable[Failure], pairs: Sequence[Pair]) -> list[Protected]:
    """The tables with one more cell left out for each that an attacker gets by what several of them say together: the
    cell itself, or the smallest told beside it. They are the same where nothing more can be left out."""
    tables = {part.table.name: part.table for part in parts}
    rows = {name: {key: dict(row) for key, row in table.rows.items()} for name, table in tables.items()}
    more = dict.fromkeys(tables, 0)
    for cell in (one.cell for one in failures if one.cell.table in tables):
        own = rows[cell.table]
        if beside := _beside(tables[cell.table], own, cell):
            key, name = min(beside, key=lambda one: own[one[0]][one[1]].low or 0.0)
            own[key][name] = hidden(own[key][name])
            more[cell.table] += 1
    done = [
        replace(
            part,
            table=replace(part.table, rows=rows[part.table.name]),
            suppressed=part.suppressed + more[part.table.name],
            is_optimal=part.is_optimal and not more[part.table.name],
        )
        for part in parts
    ]
    return hide_alike(done, pairs)


def hide_alike(parts: Sequence[Protected], pairs: Iterable[Pair]) -> list[Protected]:
    """The tables, a number that one of them leaves out left out in every other: what is hidden more tells no more."""
    tables = {part.table.name: part.table for part in parts}
    pairs = [pair for pair in pairs if pair.is_same and {pair.whole.table, pair.part.table} <= set(tables)]
    rows = {name: {key: dict(row) for key, row in table.rows.items()} for name, table in tables.items()}
    more = dict.fromkeys(tables, 0)
    is_changed = True
    while is_changed:
        is_changed = False
        for pair in pairs:
            one, other = (rows[side.table][side.key] for side in (pair.whole, pair.part))
            for row, metric, is_hidden, table in (
                (one, pair.whole.metric, other[pair.part.metric].text == NOTHING, tables[pair.whole.table]),
                (other, pair.part.metric, one[pair.whole.metric].text == NOTHING, tables[pair.part.table]),
            ):
                if is_hidden and row[metric].text != NOTHING:
                    for name in (metric, *(share for share, base in table.shares.items() if base == metric)):
                        more[table.name] += row[name].text != NOTHING
                        row[name] = hidden(row[name])
                    is_changed = True
    return [
        replace(
            part,
            table=replace(part.table, rows=rows[part.table.name]),
            suppressed=part.suppressed + more[part.table.name],
        )
        for part in parts
    ]


def _told(
    metric: Metric, numbers: Mapping[str, Number], row: Mapping[str, PublishedCell], rules: Rules
) -> PublishedCell:
    """A cell by the primary rules alone."""
    value = numbers.get(metric.name)
    if value is None:
        return PublishedCell(kind=metric.kind)
    if metric.kind == COUNT:
        return rules.count(int(value))
    base = row[metric.of]
    if metric.kind == SHARE:
        return rules.share(int(value), int(numbers[metric.of] or 0), base)
    if metric.kind == MEAN:
        return rules.mean(float(value), base, metric.digits)
    if metric.kind == MONEY:
        return rules.cost_each(float(value), base)
    raise ValueError(f"{metric.name}: no kind of number {metric.kind!r}")


def _sensitive(raw: RawTable, metric: Metric, n_min: int) -> list[Key]:
    """Keys of rows whose number nobody may work out."""

    def is_sensitive(numbers: Mapping[str, Number], value: int) -> bool:
        if metric.kind == COUNT:
            return is_sensitive_count(value, n_min)
        return is_sensitive_part(value, int(numbers[metric.of] or 0), n_min)

    known = ((key, numbers, numbers.get(metric.name)) for key, numbers in raw.rows.items())
    return [key for key, numbers, value in known if value is not None and is_sensitive(numbers, int(value))]


def _suppressed(
    raw: RawTable,
    metric: Metric,
    rows: Mapping[Key, Mapping[str, PublishedCell]],
    rules: Rules,
    seconds: float,
) -> tuple[Collection[Key], bool]:
    """Keys of the cells to leave out so that totals tell nothing, and whether no fewer would do."""
    known = dict.fromkeys(key for key, numbers in raw.rows.items() if numbers.get(metric.name) is not None)
    relations: list[Relation] = [
        {**{_name(part): 1.0 for part in parts}, _name(total): -1.0}
        for total, parts in raw.totals.items()
        if {total, *parts} <= known.keys()
    ]
    needed = [key for key in _sensitive(raw, metric, rules.n_min) if key in known]
    if not relations or not needed:
        return (), True
    most = float(max(int(raw.rows[key][metric.name] or 0) for key in known)) * 2 + rules.n_min
    cells = {_name(key): _cell(raw, metric, key, rows[key], most) for key in known}
    # A sensitive number lies in what its text says, of which the attacker must be left as much as the smallest group.
    levels = {_name(key): Level(width=rules.n_min - 1) for key in needed}
    try:
        done = suppress(Problem(cells, relations, levels), seconds)
    except CannotProtect as error:
        raise CannotProtect(f"{raw.name}, {metric.name}: {error}") from error
    return [key for key in known if _name(key) in done.suppressed], done.is_optimal


def _name(key: Key) -> str:
    return "/".join(key)


def _cell(raw: RawTable, metric: Metric, key: Key, row: Mapping[str, PublishedCell], most: float) -> Cell:
    """A cell of the suppression problem: what its text says, and what is known of it without."""
    value = float(raw.rows[key][metric.name] or 0)
    said = row[metric.name]
    # A bound ("under 10") tells less than a number, so that a dash in its place loses less.
    cost = 1.0 if said.is_told else COST_OF_A_BOUND
    if metric.kind == COUNT:
        low, high = (0.0 if said.low is None else said.low), (most if said.high is None else said.high)
        return Cell(value, low, high, 0.0, most, cost)
    base = row[metric.of]
    largest = most if base.high is None else base.high
    smallest = 0.0 if base.low is None else base.low
    low = 0.0 if said.low is None else min(value, said.low * smallest)
    high = largest if said.high is None else max(value, said.high * largest)
    return Cell(value, low, min(high, largest), 0.0, largest, cost)
