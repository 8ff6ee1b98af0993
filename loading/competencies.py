"""Competencies of one framework and their edges into history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import lake
from cairn.rostering.case import read_case
from cairn.rostering.items_named import Competencies
from cairn.settings import Settings
from loading.history import CURRENT, apply_all
from loading.mass_end import refuse_mass_end_of_framework
from loading.problems import shown
from loading.snapshot import Change, Row, Snapshot


def load_competencies(
    settings: Settings, path: Path | str, recorded_at: datetime | None = None, *, allow_mass_end: bool = False
) -> dict[str, Any]:
    """Load a CASE package. Returns items, associations, prerequisites, replaced, rejected; added, changed, ended.

    One that would end most of its framework is refused, as an export that broke off looks like that;
    ``allow_mass_end`` takes it.
    """
    framework = read_case(Path(path), competency_ids(settings), _edges(settings))
    if not allow_mass_end:
        named = len(framework.competencies) + len(framework.kept_competencies)
        refuse_mass_end_of_framework(settings, framework.framework_id, named)
    change = load_framework(
        settings,
        framework.framework_id,
        framework.competencies,
        framework.edges,
        framework.kept_competencies,
        framework.kept_edges,
        recorded_at,
    )
    return {
        "items": len(framework.competencies),
        "associations": framework.associations,
        "prerequisites": framework.prerequisites,
        "replaced": framework.replaced,
        "rejected": framework.rejected,
        "framework_id": framework.framework_id,
        "added": change.added,
        "changed": change.changed,
        "ended": change.ended,
        **shown(framework.problems),
    }


def competency_ids(settings: Settings) -> set[str]:
    """Competencies known now."""
    return set(lake.read(settings, "silver.competency", ["competency_id"], CURRENT)["competency_id"].to_pylist())


def known_competencies(settings: Settings) -> Competencies:
    """Competencies known now, by id and by code; a code that several have means none of them."""
    table = lake.read(settings, "silver.competency", ["competency_id", "code"], CURRENT)
    ids, codes = table["competency_id"].to_pylist(), table["code"].to_pylist()
    often = Counter(codes)
    return Competencies(
        frozenset(ids), {code: i for i, code in zip(ids, codes, strict=True) if code and often[code] == 1}
    )


def _edges(settings: Settings) -> list[tuple[str, str, str, str]]:
    """Associations known now: (framework, origin, destination, type)."""
    columns = ["framework_id", "from_competency_id", "to_competency_id", "edge_type"]
    table = lake.read(settings, "silver.competency_edge", columns, CURRENT)
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def load_framework(
    settings: Settings,
    framework_id: str,
    competencies: Sequence[Row],
    edges: Sequence[Row],
    kept_competencies: Collection[str] = (),
    kept_edges: Collection[str] = (),
    recorded_at: datetime | None = None,
) -> Change:
    """Write a framework whole: what it no longer names has ended, other frameworks are left alone."""
    scope = {"framework_id": framework_id}
    snapshots = [
        Snapshot("silver.competency", competencies, is_bulk=True, kept_ids=kept_competencies, scope=scope),
        Snapshot("silver.competency_edge", edges, is_bulk=True, kept_ids=kept_edges, scope=scope),
    ]
    changes = apply_all(settings, snapshots, recorded_at)
    return sum(changes.values(), Change())
