"""Items in a CASE package: outside ends of ``exemplar`` associations, which say what shows that a competency is there.

Standard: 1EdTech CASE 1.0 and 1.1. One end is a CFItem (or loaded before), the other a resource outside of frameworks,
by its URI. Which end is which differs between publishers: the one that is a competency is taken as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.rostering.case import EXEMPLAR
from cairn.rostering.items_named import Competencies, Named


def read_case_items(path: Path, content: bytes, loaded: Competencies) -> list[Named]:
    """The items that a package's exemplar associations name, each with the competency at the other end.

    Raises CairnError for what is no CASE package, and for one without such associations.
    """
    try:
        package = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CairnError(f"{path.name}: not valid JSON ({error}): the file may be cut; export it again") from None
    associations = package.get("CFAssociations") if isinstance(package, dict) else None
    if not isinstance(associations, list):
        raise CairnError(f"{path.name}:1: no CFAssociations: expected a CASE package (CFPackage)")
    own = {str(item.get("identifier")) for item in package.get("CFItems") or () if isinstance(item, dict)}
    found = list(_named(associations, own, loaded))
    if not found:
        raise CairnError(
            f"{path.name}: no {EXEMPLAR} association names an item: competencies are loaded with "
            "'cairn competencies load', items from a package whose associations name them, or from CSV or QTI"
        )
    return found


def _named(associations: list[Any], own: set[str], loaded: Competencies) -> Iterator[Named]:
    for association in associations:
        if not isinstance(association, dict) or association.get("associationType") != EXEMPLAR:
            continue
        ends = [_end(association.get(name)) for name in ("originNodeURI", "destinationNodeURI")]
        competencies = [end for end in ends if end[0] in own or loaded.find(end[0]) is not None]
        items = [end for end in ends if end not in competencies and end[1]]
        if items:
            yield Named(items[0][1], 1, tuple(end[0] for end in competencies))


def _end(node: object) -> tuple[str, str]:
    """Identifier of an association's end and its address; either is the other where only one is given."""
    if isinstance(node, str):
        node = {"uri": node}
    if not isinstance(node, Mapping):
        return "", ""
    address = str(node.get("uri") or node.get("identifier") or "")
    return str(node.get("identifier") or address.rstrip("/").rsplit("/", 1)[-1]), address
