"""``cairn competencies load`` says by name what goes in a circle, also where the circle runs through two packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cairn.settings import Settings
from cli.competencies import app


def package(path: Path, framework: str, items: list[str], edges: list[tuple[str, str, str, str]]) -> str:
    """A CASE package; edges are (identifier, origin, type, destination)."""
    associations = [
        {
            "identifier": identifier,
            "originNodeURI": {"identifier": origin},
            "associationType": kind,
            "destinationNodeURI": {"identifier": destination},
        }
        for identifier, origin, kind, destination in edges
    ]
    content: dict[str, Any] = {
        "CFDocument": {"identifier": framework, "title": framework},
        "CFItems": [{"identifier": item, "fullStatement": item} for item in items],
        "CFAssociations": associations,
    }
    path.write_text(json.dumps(content, indent=1))
    return str(path)


def test_circles_are_refused_with_their_ids(settings: Settings, tmp_path: Path) -> None:
    one = package(tmp_path / "one.json", "one", ["a", "b"], [("e1", "a", "precedes", "b")])
    assert CliRunner().invoke(app, ["load", one]).exit_code == 0
    edges = [("e2", "b", "precedes", "c"), ("e3", "c", "precedes", "a"), ("e4", "c", "replacedBy", "d")]
    edges.append(("e5", "d", "replacedBy", "c"))
    done = CliRunner().invoke(app, ["load", package(tmp_path / "two.json", "two", ["c", "d"], edges)])
    assert done.exit_code == 1, "told, and the rest of the package is loaded"
    assert "CFAssociation e3 (precedes) closes a circle of 3 items: c > a > b > c" in done.stderr
    assert "CFAssociation e5 (replacedBy) closes a circle of 2 items: d > c > d" in done.stderr
    assert "two.json:" in done.stderr
