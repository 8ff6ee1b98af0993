"""Items aligned from CSV, CASE and QTI; what is not aligned, by what it would add."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import lake
import loading
from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.rostering.items_named import Validity
from cairn.settings import Settings
from cli.main import main

ONE, TWO = "70d64823-d7cc-11e8-824f-0242ac160002", "c649d172-d7cb-11e8-824f-0242ac160002"
FRAMEWORK = {
    "CFDocument": {"identifier": "fw", "title": "Framework", "subject": ["Mathematics"]},
    "CFItems": [
        {"identifier": ONE, "fullStatement": "Adds fractions", "humanCodingScheme": "5.NF.1"},
        {"identifier": TWO, "fullStatement": "Multiplies fractions", "humanCodingScheme": "5.NF.4"},
    ],
}
GUID = "<csm:labelledGUID><csm:label>{}</csm:label><csm:GUID>{}</csm:GUID></csm:labelledGUID>"
LOM = (
    "<lom:lom><lom:classification><lom:purpose><lom:value>{}</lom:value></lom:purpose><lom:taxonPath><lom:taxon>"
    "<lom:id>{}</lom:id></lom:taxon></lom:taxonPath></lom:classification></lom:lom>"
)
MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest xmlns="http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1" identifier="pkg"
    xmlns:csm="http://www.imsglobal.org/xsd/qti/qtiv3p0/imscsmd_v1p1" xmlns:lom="http://ltsc.ieee.org/xsd/LOM">
<resources>
{}
<resource identifier="test-1" type="imsqti_test_xmlv3p0" href="test.xml"/>
</resources></manifest>
"""


def qti(**items: str) -> bytes:
    """A manifest with these items: identifier, what its metadata holds."""
    resources = [
        f'<resource identifier="{name}" type="imsqti_item_xmlv3p0" href="{name}.xml"><metadata>'
        f"<csm:curriculumStandardsMetadataSet>{inside}</csm:curriculumStandardsMetadataSet></metadata></resource>"
        for name, inside in items.items()
    ]
    return MANIFEST.format("\n".join(resources)).encode()


@pytest.fixture
def loaded(settings: Settings, tmp_path: Path) -> Settings:
    """A district with a framework of two competencies."""
    (tmp_path / "framework.json").write_text(json.dumps(FRAMEWORK))
    loading.load_competencies(settings, tmp_path / "framework.json")
    return settings


def alignments(settings: Settings) -> list[tuple[Any, ...]]:
    columns = ["item_id", "competency_id", "valid_from_date", "valid_to_date"]
    return sorted(tuple(row.values()) for row in lake.read(settings, "silver.item_alignment", columns).to_pylist())


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that succeeds prints."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_a_qti_package_says_which_standards_its_items_are_of(loaded: Settings, tmp_path: Path) -> None:
    content = qti(
        fractions=GUID.format("5.NF.1", ONE) + GUID.format("", "of-another-state"),
        both=GUID.format("x", f"https://case.example/uri/{TWO.upper()}") + GUID.format("", ONE) + GUID.format("", ONE),
        labelled="<csm:labelledGUID><csm:label>5.NF.4</csm:label></csm:labelledGUID>",
        classified=LOM.format("educational objective", TWO) + LOM.format("discipline", ONE),
        elsewhere=GUID.format("", "of-another-state"),
        bare="",
    )
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("bank\\imsmanifest.xml", content)
    template = "https://quiz.example/items/{identifier}"
    validity = Validity(date(2026, 8, 17))
    result = loading.load_items(loaded, package, template=template, validity=validity)
    assert [result[key] for key in ("rows", "added", "rejected")] == [7, 5, 2]
    assert [problem.split(": ", 1)[0] for problem in result["problems"]] == ["package.zip:9", "package.zip:10"]
    assert result["warnings"] == ["package.zip:5: the item names 1 more that are not loaded: read past"]
    begins = date(2026, 8, 17)
    assert alignments(loaded) == sorted(
        (template.format(identifier=name), competency, begins, None)
        for name, competency in (
            ("fractions", ONE),
            ("both", ONE),
            ("both", TWO),
            ("labelled", TWO),
            ("classified", TWO),
        )
    )
    (tmp_path / "imsmanifest.xml").write_bytes(content)
    for path in (tmp_path / "imsmanifest.xml", tmp_path):
        again = loading.load_items(loaded, path, template=template, validity=validity)
        assert (again["rows"], again["added"], again["changed"]) == (7, 0, 0), "the manifest alone, and its folder"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<!DOCTYPE m [<!ENTITY a "aaaa">]>' + b"<manifest>&a;</manifest>", "document type"),
        (qti(one="")[:-20], "not well-formed"),
        (qti(), "no resource of type"),
        (b'{"CFItems": []}', "no CFAssociations"),
        (b'{"CFAssociations": [', "not valid JSON"),
        (json.dumps({**FRAMEWORK, "CFAssociations": []}).encode(), "no exemplar association"),
        (b"item_id,skill\n1,2\n", "missing column"),
    ],
)
def test_what_holds_no_items_is_told_and_loads_nothing(
    loaded: Settings, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CairnError, match=said):
        loading.load_items(loaded, tmp_path / "file")
    assert alignments(loaded) == []


def test_a_case_package_names_items_at_the_outer_end(loaded: Settings, tmp_path: Path) -> None:
    item = "https://quiz.example/items/7"
    associations = [
        ("exemplar", {"identifier": ONE}, {"identifier": "7", "uri": item}),
        ("exemplar", {"uri": "https://quiz.example/items/8"}, f"https://case.example/ims/case/v1p0/CFItems/{TWO}"),
        ("exemplar", {"identifier": "not-loaded"}, {"uri": "https://quiz.example/items/9"}),
        ("isRelatedTo", {"identifier": ONE}, {"identifier": "10", "uri": "https://quiz.example/items/10"}),
    ]
    package = FRAMEWORK | {
        "CFAssociations": [
            {"identifier": f"a{number}", "associationType": kind, "originNodeURI": one, "destinationNodeURI": other}
            for number, (kind, one, other) in enumerate(associations)
        ]
    }
    (tmp_path / "case.json").write_text(json.dumps(package))
    result = loading.load_items(loaded, tmp_path / "case.json")
    assert [result[key] for key in ("rows", "added", "rejected")] == [3, 2, 1]
    assert alignments(loaded) == [(item, ONE, None, None), ("https://quiz.example/items/8", TWO, None, None)]


def test_unaligned_items_are_listed_by_what_they_would_add(
    loaded: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = load_contract("silver.learner_activity")
    fill = {"string": "x", "date": date(2026, 9, 1), "timestamp": datetime(2026, 9, 1, tzinfo=UTC)}
    event = {one.name: fill.get(one.type, 0) if one.is_required else None for one in contract.columns}
    rows: list[tuple[str | None, dict[str, Any]]] = [
        ("asked-often", {"success": True}),
        ("asked-often", {"success": False}),
        ("asked-once", {"score_raw": 1.0, "score_max": 2.0}),
        ("seen-only", {"activity_type": "engagement"}),
        ("seen-only", {"score_raw": 0.0, "score_max": 0.0}),
        ("named-by-its-source", {"success": True, "competency_ids": [ONE]}),
        ("aligned", {"success": True}),
        (None, {"success": True}),
    ]
    lake.append(
        loaded,
        "silver.learner_activity",
        [{**event, "activity_type": "attempt", "source_id": "tilewise", "item_id": item} | more for item, more in rows],
    )
    (tmp_path / "items.csv").write_text(f"item_id,competency_id\naligned,{ONE}\n")
    assert loading.load_items(loaded, tmp_path / "items.csv")["unaligned"] == 4
    told = json.loads(said(capsys, "items", "unaligned", "--json", "--limit", "3"))
    assert told["unaligned"] == 4
    assert [(item["item_id"], item["answers"], item["events"]) for item in told["items"]] == [
        ("asked-often", 2, 2),
        ("asked-once", 1, 1),
        ("seen-only", 0, 2),
    ]
    assert told["items"][0]["sources"] == ["tilewise"]
    assert "asked-often (tilewise)" in said(capsys, "items", "unaligned")
