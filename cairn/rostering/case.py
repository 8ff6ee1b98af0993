"""CASE packages (CFPackage JSON) into competencies and the edges between them.

Standard: 1EdTech CASE 1.0 and 1.1, CFPackage = CFDocument + CFItems + CFAssociations. ``precedes`` makes its origin a
prerequisite of its destination; ``isChildOf`` gives the tree, and what has no child is a leaf that evidence aligns to.
Associations of every other type are kept as edges of that type. One whose end is neither here nor loaded is refused
by name, the rest of the package is taken; an ``exemplar`` may be a page anywhere and is only noted.
"""

from __future__ import annotations

import graphlib
import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.rostering.case_ends import Ends
from cairn.rostering.case_file import read_package
from cairn.rostering.tabular import CellError, Problem

TITLE_CHARACTERS = 80
IS_CHILD_OF, PRECEDES, REPLACED_BY = "isChildOf", "precedes", "replacedBy"
EXEMPLAR = "exemplar"
# CASE 1.0 and 1.1; beside them 1.1 allows extensions ("ext:").
TYPES = frozenset(
    {IS_CHILD_OF, PRECEDES, REPLACED_BY, EXEMPLAR, "isPeerOf", "isPartOf", "exactMatchOf", "isRelatedTo"}
    | {"hasSkillLevel", "isTranslationOf"}
)
# Relations that run one way: a circle of them says nothing. What matches, matches both ways (exactMatchOf).
ONE_WAY = (PRECEDES, IS_CHILD_OF, REPLACED_BY)


@dataclass
class Framework:
    """One package: rows of silver.competency and silver.competency_edge without the recorded times.

    ``associations``: those accepted, with the ones that only hang an item under its document. ``kept_*``: ids in
    refused parts, of which the lake keeps what it knows.
    """

    framework_id: str
    title: str
    competencies: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    associations: int = 0
    prerequisites: int = 0
    replaced: int = 0
    problems: list[Problem] = field(default_factory=list)
    kept_edges: list[str] = field(default_factory=list)
    kept_competencies: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Items and associations refused."""
        return sum(problem.is_rejected for problem in self.problems)


@dataclass(frozen=True)
class _Association:
    identifier: str
    origin: str
    destination: str
    kind: str
    sequence: int | None
    line: int


def read_case(
    path: Path, known_ids: Collection[str] = (), known_edges: Collection[tuple[str, str, str, str]] = ()
) -> Framework:
    """Read a package; ``known_ids`` are competencies of other frameworks that associations may name.

    ``known_edges``: associations that are loaded, as (framework, origin, destination, type); with those of other
    frameworks circles may close too.

    Raises CairnError with file, line and column for a file that is not JSON, and for one that is no CFPackage.
    """
    package, text = read_package(path)
    document = package["CFDocument"]
    framework = Framework(str(document["identifier"]), str(document.get("title") or "untitled framework"))
    lines = _Lines(text)
    items = _items(framework, package, path.name, lines)
    ends = Ends({framework.framework_id: document, **items}, known_ids)
    accepted = _associations(framework, package, path.name, lines, ends)
    elsewhere = [edge for owner, *edge in known_edges if owner != framework.framework_id]
    accepted = _without_cycles(framework, accepted, elsewhere, path.name)
    _finish(framework, document, items, accepted)
    return framework


class _Lines:
    """Lines of identifiers in the text: JSON parsers do not tell, and a person wants to find the place."""

    def __init__(self, text: str) -> None:
        self._first: dict[str, int] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if '"identifier"' in line:
                for piece in line.split('"identifier"')[1:]:
                    quoted = piece.split('"')
                    if len(quoted) > 1:
                        self._first.setdefault(quoted[1], number)

    def of(self, identifier: str) -> int:
        """Line on which the identifier stands first; 1 where the file is not laid out as expected."""
        return self._first.get(identifier, 1)


def _items(framework: Framework, package: Mapping[str, Any], file: str, lines: _Lines) -> dict[str, dict[str, Any]]:
    """Usable CFItems by identifier; the rest become problems."""
    items: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(_list(package, "CFItems", file)):
        identifier = str(item.get("identifier") or "") if isinstance(item, dict) else ""
        if not identifier:
            framework.problems.append(Problem(file, 1, f"CFItems[{index}] has no identifier"))
        elif identifier in items:
            is_same = items[identifier] == item
            how = "twice" if is_same else "twice and not the same"
            reason = f"CFItem {identifier} is there {how}; the first one is taken"
            framework.problems.append(Problem(file, lines.of(identifier), reason, is_rejected=not is_same))
        elif not str(item.get("fullStatement") or "").strip():
            framework.problems.append(Problem(file, lines.of(identifier), f"CFItem {identifier} has no fullStatement"))
            framework.kept_competencies.append(identifier)
        else:
            items[identifier] = item
    return items


def _list(package: Mapping[str, Any], key: str, file: str) -> list[Any]:
    value = package.get(key) or []
    if not isinstance(value, list):
        raise CairnError(f"{file}:1: {key} is not a list: expected a CASE package (CFPackage)")
    return value


def _associations(
    framework: Framework, package: Mapping[str, Any], file: str, lines: _Lines, ends: Ends
) -> list[_Association]:
    """Associations whose ends are known, each once; an edge to nowhere is refused with its identifier."""
    accepted: dict[str, _Association] = {}
    said: dict[tuple[str, str, str], str] = {}
    for index, raw in enumerate(_list(package, "CFAssociations", file)):
        identifier = str(raw.get("identifier") or "") if isinstance(raw, dict) else ""
        name = f"CFAssociation {identifier}" if identifier else f"CFAssociations[{index}]"
        line = lines.of(identifier)
        try:
            if not identifier:
                raise CellError("has no identifier")
            one = _association(raw, identifier, line, ends)
            if one is None:
                note = f"{name} (exemplar) leads to a page outside: no edge between competencies"
            elif identifier in accepted and accepted[identifier] != one:
                raise CellError("is there twice and not the same; the first one is taken")
            elif (first := said.setdefault((one.origin, one.destination, one.kind), identifier)) != identifier:
                note = f"{name} says the same as CFAssociation {first}: taken once"
            elif identifier in accepted:
                note = f"{name} is there twice: taken once"
            else:
                accepted[identifier] = one
                is_known = one.kind in TYPES or one.kind.startswith("ext:")
                note = "" if is_known else f"{name} has the type {one.kind}, which CASE does not name: kept as it is"
            if note:
                framework.problems.append(Problem(file, line, note, is_rejected=False))
        except CellError as error:
            framework.problems.append(Problem(file, line, f"{name} {error}"))
            if identifier:
                framework.kept_edges.append(identifier)
    return list(accepted.values())


def _association(raw: Mapping[str, Any], identifier: str, line: int, ends: Ends) -> _Association | None:
    """One association; None for an exemplar that is no competency. Raises CellError where it leads nowhere."""
    (origin, is_origin), (destination, is_destination) = (
        ends.of(raw, key) for key in ("originNodeURI", "destinationNodeURI")
    )
    kind = str(raw.get("associationType") or "")
    if not kind:
        raise CellError("has no associationType")
    if kind == EXEMPLAR and is_origin and not is_destination:
        return None
    for end, node, is_known in (("origin", origin, is_origin), ("destination", destination, is_destination)):
        if not is_known:
            raise CellError(f"({kind}) leads nowhere: its {end} {node} is neither here nor loaded before")
    return _Association(identifier, origin, destination, kind, _whole(raw.get("sequenceNumber")), line)


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _without_cycles(
    framework: Framework, accepted: list[_Association], known: Collection[list[str]], file: str
) -> list[_Association]:
    """Relations of one way without circles: the last edge in the file that closes one is refused, the circle named."""
    for kind in ONE_WAY:
        elsewhere = [(origin, destination) for origin, destination, other in known if other == kind]
        while cycle := _cycle(
            [*elsewhere, *((edge.origin, edge.destination) for edge in accepted if edge.kind == kind)]
        ):
            steps = set(itertools.pairwise(cycle))
            closing = next(
                (edge for edge in reversed(accepted) if edge.kind == kind and (edge.origin, edge.destination) in steps),
                None,
            )
            if closing is None:
                # A circle of other frameworks alone is not this file's, and was named when theirs were loaded.
                elsewhere = [step for step in elsewhere if step not in steps]
                continue
            accepted = [edge for edge in accepted if edge.identifier != closing.identifier]
            # Told from the refused edge on: its origin, its destination, and the way back.
            turn = cycle.index(closing.destination)
            way = [closing.origin, *cycle[turn:-1], *cycle[:turn]]
            reason = (
                f"CFAssociation {closing.identifier} ({kind}) closes a circle of {len(way) - 1} items: "
                f"{' > '.join(way)}: remove one of these associations from the framework"
            )
            framework.problems.append(Problem(file, closing.line, reason))
            framework.kept_edges.append(closing.identifier)
    return accepted


def _cycle(edges: Collection[tuple[str, str]]) -> list[str]:
    """Nodes of one circle from origin to destination, first and last the same; empty where there is none."""
    graph: dict[str, set[str]] = defaultdict(set)
    for origin, destination in edges:
        graph[destination].add(origin)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def _finish(
    framework: Framework, document: Mapping[str, Any], items: Mapping[str, Any], accepted: list[_Association]
) -> None:
    """Rows from items and accepted associations, and the counts."""
    parents = {edge.destination for edge in accepted if edge.kind == IS_CHILD_OF}
    replaced_by = {edge.origin: edge.destination for edge in accepted if edge.kind == REPLACED_BY}
    order = _order(framework.framework_id, items, accepted)
    framework.competencies = [
        {
            "competency_id": identifier,
            "framework_id": framework.framework_id,
            "code": item.get("humanCodingScheme") or None,
            "title": _title(item),
            "full_statement": str(item["fullStatement"]),
            "item_type": item.get("CFItemType") or None,
            "subject": _first(item.get("subject")) or _first(document.get("subject")),
            "education_level": _levels(item.get("educationLevel")),
            "is_leaf": identifier not in parents,
            "sequence": order[identifier],
            "replaced_by": replaced_by.get(identifier),
        }
        for identifier, item in items.items()
    ]
    framework.edges = [
        {
            "edge_id": edge.identifier,
            "framework_id": framework.framework_id,
            "from_competency_id": edge.origin,
            "to_competency_id": edge.destination,
            "edge_type": edge.kind,
        }
        for edge in accepted
        # An item's place under its document is its order, not an edge between competencies.
        if framework.framework_id not in (edge.origin, edge.destination)
    ]
    framework.associations = len(accepted)
    framework.prerequisites = sum(edge.kind == PRECEDES for edge in accepted)
    framework.replaced = len(replaced_by)


def _order(root: str, items: Mapping[str, Any], accepted: list[_Association]) -> dict[str, int]:
    """Place of each item in the printed order, from 1: the tree read from the top, children by sequence number."""
    children: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    placed: set[str] = set()
    positions = {identifier: index for index, identifier in enumerate(items)}
    for edge in accepted:
        if edge.kind == IS_CHILD_OF and edge.origin in positions and edge.origin not in placed:
            sequence = edge.sequence if edge.sequence is not None else positions[edge.origin] + 1
            children[edge.destination].append((sequence, positions[edge.origin], edge.origin))
            placed.add(edge.origin)
    for identifier, index in positions.items():
        if identifier not in placed:
            children[root].append((index + 1, index, identifier))
    order: dict[str, int] = {}
    waiting = [identifier for *_, identifier in sorted(children[root], reverse=True)]
    while waiting:
        identifier = waiting.pop()
        order[identifier] = len(order) + 1
        waiting += [child for *_, child in sorted(children[identifier], reverse=True)]
    for identifier in positions:  # items hung under another framework's item come last
        order.setdefault(identifier, len(order) + 1)
    return order


def _title(item: Mapping[str, Any]) -> str:
    short = " ".join(str(item.get("abbreviatedStatement") or "").split())
    if short:
        return short
    full = " ".join(str(item["fullStatement"]).split())
    return full if len(full) <= TITLE_CHARACTERS else full[: TITLE_CHARACTERS - 1].rstrip() + "…"


def _levels(value: Any) -> str | None:
    """All grade levels, each between commas, so that one of them is found as ``,05,``; None where there is none."""
    levels = [str(one).strip() for one in (value if isinstance(value, list) else [value]) if one]
    return f",{','.join(levels)}," if any(levels) else None


def _first(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    return str(value) if value else None
