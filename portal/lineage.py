"""Where a table of the warehouse comes from and what is made of it, by the manifest of the dbt build that made it.

No OpenLineage events are kept yet: what the lake's own tables are made from is in docs, not here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.settings import Settings
from releases.warehouse import target_dir

KINDS = {"source": "table of the lake", "model": "table of the warehouse", "exposure": "read by"}


@dataclass(frozen=True)
class Node:
    """A table of the lake (source), of the warehouse (model), or who reads it (exposure); ``steps`` from the one asked.

    ``name`` is what its page is called by; of a table of the lake with its layer, as ``gold.mastery_state``.
    """

    name: str
    kind: str
    about: str
    steps: int = 0

    @property
    def has_page(self) -> bool:
        """Whether it has a page of its own."""
        return self.kind != "exposure"


@dataclass(frozen=True)
class Lineage:
    """One table with everything before and after it, the nearest first, and its columns with their meaning."""

    node: Node
    upstream: list[Node]
    downstream: list[Node]
    columns: list[tuple[str, str, str]]
    path: str


def manifest_path(settings: Settings) -> Path:
    """Where dbt writes its manifest."""
    return target_dir(settings) / "manifest.json"


def names(settings: Settings) -> list[Node]:
    """Every table of the lake and the warehouse that the newest build knows; empty before the first."""
    graph = _graph(settings)
    return sorted((node for node in graph.nodes.values() if node.has_page), key=_order) if graph else []


def lineage_of(settings: Settings, name: str) -> Lineage | None:
    """A table's lineage; None where no build knows it."""
    graph = _graph(settings)
    found = (
        next((one for one, node in graph.nodes.items() if node.name == name and node.has_page), None) if graph else None
    )
    if graph is None or found is None:
        return None
    raw = graph.raw[found]
    columns = [
        (column["name"], column.get("data_type") or "", " ".join((column.get("description") or "").split()))
        for column in raw.get("columns", {}).values()
    ]
    return Lineage(
        graph.nodes[found],
        graph.reached(found, graph.parents),
        graph.reached(found, graph.children),
        columns,
        str(raw.get("original_file_path", "")),
    )


@dataclass(frozen=True)
class _Graph:
    nodes: Mapping[str, Node]
    raw: Mapping[str, Any]
    parents: Mapping[str, Sequence[str]]
    children: Mapping[str, Sequence[str]]

    def reached(self, start: str, edges: Mapping[str, Sequence[str]]) -> list[Node]:
        """What can be reached over edges, with the least number of steps."""
        steps = {start: 0}
        waiting = [start]
        for one in waiting:  # grows while it is walked
            for other in edges.get(one, ()):
                if other in self.nodes and other not in steps:
                    steps[other] = steps[one] + 1
                    waiting.append(other)
        found = [
            Node(node.name, node.kind, node.about, steps[one])
            for one, node in self.nodes.items()
            if one in steps and one != start
        ]
        return sorted(found, key=lambda node: (node.steps, *_order(node)))


def _order(node: Node) -> tuple[int, str]:
    return list(KINDS).index(node.kind), node.name


def _graph(settings: Settings) -> _Graph | None:
    path = manifest_path(settings)
    try:
        changed_at = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(path, changed_at)


@functools.lru_cache(maxsize=1)
def _read(path: Path, _changed_at: int) -> _Graph:
    """A manifest's tables and edges; kept until the file changes: it has megabytes."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    raw = {
        key: value
        for part in ("sources", "nodes", "exposures")
        for key, value in manifest.get(part, {}).items()
        if value["resource_type"] in KINDS
    }
    return _Graph(
        {key: _node(value) for key, value in raw.items()},
        # Of what a table says of itself only this is shown: the rest of the manifest is dropped.
        {key: {name: value.get(name, {}) for name in ("columns", "original_file_path")} for key, value in raw.items()},
        manifest["parent_map"],
        manifest["child_map"],
    )


def _node(value: Mapping[str, Any]) -> Node:
    kind = str(value["resource_type"])
    name = f"{value['source_name']}.{value['name']}" if kind == "source" else str(value["name"])
    return Node(name, kind, " ".join(str(value.get("description") or "").split()))
