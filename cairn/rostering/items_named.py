"""Alignments as other standards carry them: an item and the names that it gives to competencies, one list for all.

CASE names items as outside ends of ``exemplar`` associations, QTI packages name standards in an item's metadata. Both
may name standards of frameworks that the district does not use: an item is refused only where none of what it names is
loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cairn.errors import CairnError
from cairn.rostering.listed import Listed
from cairn.rostering.tabular import Problem


@dataclass(frozen=True)
class Competencies:
    """Those loaded: their ids, and the id by code where a code means one."""

    ids: Collection[str]
    by_code: Mapping[str, str]

    def find(self, named: str) -> str | None:
        """The id meant by an identifier, by an address that ends with one, or by a code; None where none is loaded."""
        tail = named.strip().rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
        for text in (named.strip(), tail, tail.lower(), tail.upper()):
            if text in self.ids:
                return text
        return self.by_code.get(tail)


@dataclass(frozen=True)
class Named:
    """One item of a package: the line it begins on, and what it names competencies by."""

    item_id: str
    line: int
    competencies: tuple[str, ...]


@dataclass(frozen=True)
class Validity:
    """From when to when alignments hold that say nothing of it themselves (days inclusive, None: always)."""

    first: date | None = None
    last: date | None = None


def item_name(identifier: str, template: str) -> str:
    """An item as sources name it: the template with ``{identifier}`` filled in. Raises CairnError for another one."""
    if "{identifier}" not in template:
        raise CairnError(f"the item template {template} has no {{identifier}}: write it where the identifier goes")
    return template.replace("{identifier}", identifier)


def align(file: str, named: Iterable[Named], loaded: Competencies, validity: Validity) -> Listed:
    """Rows of silver.item_alignment; each pair of item and competency counts as one row read, each once."""
    found = Listed()
    seen: set[tuple[str, str]] = set()
    for item in named:
        known = {told: loaded.find(told) for told in dict.fromkeys(item.competencies)}
        ids = dict.fromkeys(one for one in known.values() if one is not None)
        if not ids:
            found.row_count += 1
            found.problems.append(Problem(file, item.line, _nothing_loaded(item)))
            continue
        if missing := sum(one is None for one in known.values()):
            reason = f"the item names {missing} more that are not loaded: read past"
            found.problems.append(Problem(file, item.line, reason, is_rejected=False))
        for competency_id in ids:
            if (item.item_id, competency_id) not in seen:
                seen.add((item.item_id, competency_id))
                found.row_count += 1
                found.rows.append(_row(item.item_id, competency_id, validity))
    return found


def _nothing_loaded(item: Named) -> str:
    if not item.competencies:
        return "the item names no competency"
    return f"none of the {len(item.competencies)} that the item names is loaded: load the CASE package first"


def _row(item_id: str, competency_id: str, validity: Validity) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "competency_id": competency_id,
        "difficulty": None,
        "valid_from_date": validity.first,
        "valid_to_date": validity.last,
    }
