"""What is published: tables of cells that say no more than their text. Pages, charts, CSV, mail and PDF read these.

Nothing here holds a count or a share as it is: ``value``, ``low`` and ``high`` of a cell are what anybody who knows
the rules (docs/explanation/protected-numbers.md) reads from its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

COUNT, SHARE, MEAN, MONEY = "count", "share", "mean", "money"
NOTHING = "–"
Key = tuple[str, ...]


@dataclass(frozen=True)
class PublishedCell:
    """One number as it is published.

    ``text`` is what a page prints: "60", "40 %", "10 % or fewer", "under 10", "–". ``value`` is the number in it, a
    share as a fraction of 1; None where the text is a bound or nothing. ``low`` and ``high`` bound what is true
    (inclusive; None: nothing is said). ``kind`` is count, share, mean or money.
    """

    text: str = NOTHING
    kind: str = COUNT
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_told(self) -> bool:
        """Whether the cell says a number, not a bound or nothing."""
        return self.value is not None


EMPTY = PublishedCell()


@dataclass(frozen=True)
class PublishedTable:
    """A table by the values of its dimensions; ``rows`` has the cells of each by metric, in the order to print.

    ``shares`` is metric of a share to metric of the count that it is a share of, in the same row. ``totals`` are the
    rows that are sums of others of the table: key of the total to keys of its parts.
    """

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: Mapping[Key, Mapping[str, PublishedCell]]
    shares: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[Key, Sequence[Key]] = field(default_factory=dict)

    def cell(self, metric: str, *key: str) -> PublishedCell:
        """The cell of a row; an empty one where the publication has no such row (it is newer than the publication)."""
        return self.rows.get(key, {}).get(metric, EMPTY)

    def text(self, metric: str, *key: str) -> str:
        """What a page prints for the cell."""
        return self.cell(metric, *key).text


@dataclass(frozen=True)
class Publication:
    """All tables of one kind (``learning`` or ``evaluation``) as published on a day, from one release; or, as
    :func:`releases.publications.read_publication` gives it, the tables of both that stand now.

    ``publication_date`` is the day on which the numbers were published; ``n_min`` the smallest group that they tell of;
    ``note`` the sentence to print beside them. ``standing`` has, by table, the publication it belongs to.
    """

    publication_id: str
    kind: str
    publication_date: date
    release_id: str
    made_at: datetime
    n_min: int
    tables: Mapping[str, PublishedTable]
    note: str = ""
    next_date: date | None = None
    standing: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> PublishedTable:
        """A table by name; an empty one where nothing of it was published yet."""
        return self.tables.get(name) or PublishedTable(name, (), (), {})


def as_json(publication: Publication) -> dict[str, Any]:
    """A publication as JSON can hold it; :func:`from_json` reads it back."""
    return {
        "publication_id": publication.publication_id,
        "kind": publication.kind,
        "publication_date": publication.publication_date.isoformat(),
        "release_id": publication.release_id,
        "made_at": publication.made_at.isoformat(),
        "n_min": publication.n_min,
        "note": publication.note,
        "tables": [_table_json(table) for table in publication.tables.values()],
    }


def _table_json(table: PublishedTable) -> dict[str, Any]:
    return {
        "name": table.name,
        "dimensions": list(table.dimensions),
        "metrics": list(table.metrics),
        "shares": dict(table.shares),
        "totals": [[list(total), [list(part) for part in parts]] for total, parts in table.totals.items()],
        "rows": [[list(key), {name: asdict(cell) for name, cell in row.items()}] for key, row in table.rows.items()],
    }


def from_json(raw: Mapping[str, Any]) -> Publication:
    """The publication that :func:`as_json` wrote."""
    tables = {
        one["name"]: PublishedTable(
            name=one["name"],
            dimensions=tuple(one["dimensions"]),
            metrics=tuple(one["metrics"]),
            rows={tuple(key): {name: PublishedCell(**cell) for name, cell in row.items()} for key, row in one["rows"]},
            shares=one["shares"],
            totals={tuple(total): [tuple(part) for part in parts] for total, parts in one["totals"]},
        )
        for one in raw["tables"]
    }
    return Publication(
        publication_id=raw["publication_id"],
        kind=raw["kind"],
        publication_date=date.fromisoformat(raw["publication_date"]),
        release_id=raw["release_id"],
        made_at=datetime.fromisoformat(raw["made_at"]),
        n_min=int(raw["n_min"]),
        tables=tables,
        note=raw["note"],
        standing=dict.fromkeys(tables, raw["publication_id"]),
    )
