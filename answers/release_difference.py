"""What differs between two releases and why, as a person may read it: the same comparison as ``cairn marts diff``.

Engineers see how many rows differ and which, by the vault's keys; everybody else which tables do, and why.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from cairn.settings import Settings
from releases import store
from releases.difference import diff
from releases.difference_reasons import REASONS

Said = dict[str, Any]


@dataclass(frozen=True)
class Reason:
    """Why pairs of a pupil and a topic differ: in a word, in a sentence, and how many (for engineers only)."""

    name: str
    meaning: str
    pairs: int | None


@dataclass(frozen=True)
class Rows:
    """A table's rows before and after, and of those how many came, went and changed; keys of some of them."""

    before: int
    after: int
    added: int
    removed: int
    changed: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class TableDifference:
    """Whether a table differs; ``rows`` for engineers only."""

    name: str
    is_same: bool
    rows: Rows | None


@dataclass(frozen=True)
class Difference:
    """Two releases compared."""

    reasons: tuple[Reason, ...]
    tables: tuple[TableDifference, ...]


class Differences:
    """Comparisons made, the newest few kept: releases do not change, but for what an erasure takes out of them."""

    KEPT = 16

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], Said] = OrderedDict()
        self._lock = threading.Lock()

    def between(self, settings: Settings, before: str, after: str) -> Said:
        """What :func:`releases.difference.diff` says. Raises CairnError as it does."""
        kind = after.partition("-")[0]
        found = [store.get(settings, before.partition("-")[0], before), store.get(settings, kind, after)]
        key = (settings.home, *((one.release_id, len(one.erased)) for one in found))
        with self._lock:
            # One at a time: each holds as much memory as DuckDB may have.
            if key not in self._made:
                self._made[key] = diff(settings, before, after)
                while len(self._made) > self.KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]


def told(said: Said, *, is_engineer: bool) -> Difference:
    """A comparison as it is printed: for engineers exact, with keys of rows. For everybody else which reasons there are
    and which tables differ, without a number: of any two nights it could be added up and subtracted, and a pupil who
    comes is as many pairs as her plan has topics."""
    reasons = tuple(
        Reason(one["reason"], REASONS[one["reason"]], int(one["pairs"]) if is_engineer else None)
        for one in said["reasons"]
    )
    return Difference(reasons, tuple(_table(row, is_engineer=is_engineer) for row in said["tables"]))


def _table(row: Said, *, is_engineer: bool) -> TableDifference:
    counts = {name: int(row[name]) for name in ("before", "after", "added", "removed", "changed")}
    is_same = not (counts["added"] or counts["removed"] or counts["changed"])
    rows = Rows(**counts, examples=tuple(map(_example, row["examples"]))) if is_engineer else None
    return TableDifference(row["table"], is_same, rows)


def _example(one: Said) -> str:
    key = ", ".join(f"{name} {value}" for name, value in one["key"].items())
    return f"{one['what']}: {key}{' (' + ', '.join(one['columns']) + ')' if one['columns'] else ''}"
