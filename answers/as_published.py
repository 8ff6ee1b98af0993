"""Published numbers as a page reads them: those that stand now, or those that stood on a day before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache

from cairn.privacy_dates import publication_rules
from cairn.protection.published import Publication
from cairn.protection.rules import Rules
from cairn.settings import Settings
from releases.publications import kind_dir, published, read_publication
from releases.store import KINDS


def rules_of(settings: Settings) -> Rules:
    """The district's rules of what a published number may say. Raises CairnError where they cannot be read."""
    given = publication_rules(settings)
    return Rules(given.n_min, given.counts_to)


def published_days(settings: Settings) -> list[date]:
    """Days on which numbers were published, newest first."""
    return sorted({one.publication_date for kind in KINDS for one in published(settings, kind)}, reverse=True)


def as_published(settings: Settings, as_of: date | None = None) -> Publication | None:
    """Every protected table that stands now, or stood on ``as_of``; None where nothing was published by then."""
    if as_of is None:
        return _Standing(settings).read()
    found = [
        kept[-1]
        for kind in KINDS
        if (kept := [one for one in published(settings, kind) if one.publication_date <= as_of])
    ]
    if not found:
        return None
    tables = {name: table for one in found for name, table in one.tables.items()}
    belongs = {name: of for one in found for name, of in one.standing.items()}
    return replace(found[0], tables=tables, standing=belongs)


class _Standing:
    """What stands in a home, read again only when a publication was made since: every page asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self) -> Publication | None:
        """The publication that stands, or None."""
        pointers = [kind_dir(self._settings, kind) / "current.json" for kind in KINDS]
        return self._kept(tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in pointers))

    @lru_cache(maxsize=4)  # noqa: B019  # equal by home, so that it keeps a few publications and no more
    def _kept(self, changed_ns: tuple[int, ...]) -> Publication | None:
        return read_publication(self._settings)

    def __hash__(self) -> int:
        return hash(self._settings.home)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Standing) and other._settings.home == self._settings.home
