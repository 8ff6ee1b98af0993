"""CASE packages: competencies, edges, and edges that lead nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.rostering.case import read_case


def item(identifier: str, **more: Any) -> dict[str, Any]:
    return {"identifier": identifier, "fullStatement": f"Statement of {identifier}", **more}


def edge(identifier: str, origin: str, kind: str, destination: str, **more: Any) -> dict[str, Any]:
    return {
        "identifier": identifier,
        "originNodeURI": {"identifier": origin, "uri": f"https://case.example/{origin}"},
        "associationType": kind,
        "destinationNodeURI": {"identifier": destination, "uri": f"https://case.example/{destination}"},
        **more,
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def package(items: list[Any], edges: list[Any], **document: Any) -> Path:
        path = tmp_path / "case.json"
        content = {
            "CFDocument": {"identifier": "doc", "title": "F", **document},
            "CFItems": items,
            "CFAssociations": edges,
        }
        path.write_text(json.dumps(content, indent=1))
        return path

    return package


def test_items_leaves_order_and_prerequisites(write: Callable[..., Path]) -> None:
    framework = read_case(
        write(
            [
                item("top"),
                item("b", educationLevel=["05", "06"]),
                item("a", abbreviatedStatement="Short", subject=["Reading"]),
            ],
            [
                edge("e0", "top", "isChildOf", "doc"),
                edge("e1", "b", "isChildOf", "top", sequenceNumber=2),
                edge("e2", "a", "isChildOf", "top", sequenceNumber=1),
                edge("e3", "a", "precedes", "b"),
            ],
            subject=["Mathematics"],
        )
    )
    found = {row["competency_id"]: row for row in framework.competencies}
    assert [(name, row["is_leaf"], row["sequence"]) for name, row in found.items()] == [
        ("top", False, 1),
        ("b", True, 3),
        ("a", True, 2),
    ]
    assert found["a"]["title"] == "Short"
    assert (found["a"]["subject"], found["b"]["subject"]) == ("Reading", "Mathematics")
    assert (found["b"]["education_level"], found["a"]["education_level"]) == (",05,06,", None)
    assert (framework.associations, framework.prerequisites, framework.rejected) == (4, 1, 0)
    assert [row["edge_id"] for row in framework.edges] == ["e1", "e2", "e3"]


def test_an_edge_to_nowhere_is_refused_by_name_and_line_and_the_rest_goes_on(write: Callable[..., Path]) -> None:
    path = write([item("a"), item("b")], [edge("lost", "a", "precedes", "nowhere"), edge("good", "a", "precedes", "b")])
    framework = read_case(path)
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if '"lost"' in text)
    assert [str(problem) for problem in framework.problems] == [
        f"case.json:{line}: CFAssociation lost (precedes) leads nowhere: its destination nowhere is neither here nor "
        "loaded before"
    ]
    assert (framework.prerequisites, framework.rejected, framework.kept_edges) == (1, 1, ["lost"])


def test_an_edge_to_another_framework_that_is_loaded_is_good(write: Callable[..., Path]) -> None:
    framework = read_case(write([item("a")], [edge("e", "a", "exactMatchOf", "elsewhere")]), {"elsewhere"})
    assert (framework.rejected, len(framework.edges)) == (0, 1)


def test_replaced_by(write: Callable[..., Path]) -> None:
    framework = read_case(write([item("old"), item("new")], [edge("e", "old", "replacedBy", "new")]))
    assert framework.replaced == 1
    assert framework.competencies[0]["replaced_by"] == "new"


def test_a_circle_of_prerequisites_is_cut_at_its_last_edge(write: Callable[..., Path]) -> None:
    edges = [edge("e1", "a", "precedes", "b"), edge("e2", "b", "precedes", "c"), edge("e3", "c", "precedes", "a")]
    framework = read_case(write([item("a"), item("b"), item("c")], edges))
    assert (framework.prerequisites, framework.rejected) == (2, 1)
    told = "CFAssociation e3 (precedes) closes a circle of 3 items: c > a > b > c: remove one of these associations"
    assert told in str(framework.problems[0])


@pytest.mark.parametrize("kind", ["isChildOf", "replacedBy"])
def test_circles_of_every_relation_of_one_way_are_named(write: Callable[..., Path], kind: str) -> None:
    edges = [edge("e1", "a", kind, "b"), edge("e2", "b", kind, "a"), edge("e3", "c", kind, "c")]
    framework = read_case(write([item("a"), item("b"), item("c")], edges))
    told = sorted(str(problem) for problem in framework.problems)
    assert len(told) == 2
    assert f"CFAssociation e2 ({kind}) closes a circle of 2 items: b > a > b: remove one" in told[0]
    assert f"CFAssociation e3 ({kind}) closes a circle of 1 items: c > c: remove one" in told[1]
    assert [row["edge_id"] for row in framework.edges] == ["e1"]


def test_what_matches_matches_both_ways(write: Callable[..., Path]) -> None:
    edges = [edge("e1", "a", "exactMatchOf", "b"), edge("e2", "b", "exactMatchOf", "a")]
    framework = read_case(write([item("a"), item("b")], edges))
    assert (framework.rejected, len(framework.edges)) == (0, 2)


def test_a_circle_through_another_framework_is_named(write: Callable[..., Path]) -> None:
    """Its edges are this file's fault where they close it; edges of the file's own last version are not looked at."""
    package = write([item("a"), item("b")], [edge("e1", "a", "precedes", "x"), edge("e2", "y", "precedes", "b")])
    other = [("other", "x", "y", "precedes"), ("other", "b", "a", "precedes"), ("doc", "x", "a", "precedes")]
    other += [("third", "p", "q", "precedes"), ("third", "q", "p", "precedes")]
    framework = read_case(package, {"x", "y"}, other)
    told = "CFAssociation e2 (precedes) closes a circle of 4 items: y > b > a > x > y: remove one"
    assert [told in str(problem) for problem in framework.problems] == [True]


def test_unusable_items_are_counted(write: Callable[..., Path]) -> None:
    framework = read_case(write([item("a"), {"identifier": "empty"}, {"fullStatement": "who"}, item("a")], []))
    assert (len(framework.competencies), framework.rejected, framework.kept_competencies) == (1, 2, ["empty"])


def test_a_cut_file_is_refused_with_line_and_column(write: Callable[..., Path]) -> None:
    path = write([item("a")], [])
    path.write_text(path.read_text()[:-30])
    with pytest.raises(CairnError, match=r"case\.json:\d+: not valid JSON at column \d+"):
        read_case(path)


def test_a_long_statement_is_shortened_for_print(write: Callable[..., Path]) -> None:
    framework = read_case(write([{"identifier": "a", "fullStatement": "word " * 40}], []))
    assert len(framework.competencies[0]["title"]) <= 80


@pytest.mark.parametrize("name", ["AdoptedTestFramework", "ItemTypeTestFramework", "SequenceNumberFramework"])
def test_the_fixtures_load(shared_fixture: Callable[[str], Path], name: str) -> None:
    framework = read_case(shared_fixture(f"fixtures/case/{name}.json"))
    assert framework.rejected == 0
    assert len(framework.competencies) == framework.associations >= 1


def test_sequence_numbers_decide_the_order(shared_fixture: Callable[[str], Path]) -> None:
    framework = read_case(shared_fixture("fixtures/case/SequenceNumberFramework.json"))
    assert {row["code"]: row["sequence"] for row in framework.competencies} == {"SNT.1": 2, "SNT.2": 1}


def test_a_package_as_a_service_answers_it_is_read(write: Callable[..., Path]) -> None:
    path = write([item("a"), item("b")], [])
    plain = read_case(path)
    path.write_text(json.dumps({"CFPackage": json.loads(path.read_text())}))
    assert read_case(path).competencies == plain.competencies


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "lists within lists without end"),
        (b'{"CFDocument": {"identifier": "fw", "title": "\\ud83d"}, "CFItems": []}', "half of a character"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'[{"CFDocument": {"identifier": "fw"}}]', "no CFDocument with an identifier"),
    ],
)
def test_a_file_that_is_no_package_is_refused_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(CairnError, match=said):
        read_case(path)
