"""Caliper 1.2 and 1.1: our golden envelopes, the specification's own fixtures, and what a record may never hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pytest

from cairn.evidence import caliper
from cairn.evidence.activity import REASONS, Arrival, Reader, Refusal
from cairn.evidence.meaning import Vocabulary
from cairn.keys import DistrictKeys
from cairn.settings import REPOSITORY, Settings

SCHEMA = json.loads((REPOSITORY / "schemas/events/learner.activity.v1/schema.json").read_text())
CONTRACT = jsonschema_rs.validator_for(SCHEMA)
GOLDEN = REPOSITORY / "tests" / "golden" / "caliper"
CASES = sorted(path.stem for path in GOLDEN.glob("*.json") if path.stem != "envelopes")
ARRIVAL = Arrival("quillboard", frozenset(), datetime(2026, 10, 14, 14, 0, tzinfo=UTC), ZoneInfo("America/Chicago"))
READER = Reader(DistrictKeys(1, b"a" * 32, b"b" * 32, b"c" * 32), Vocabulary.load(Settings()))
VERSION = "http://purl.imsglobal.org/ctx/caliper/v1p2"
# Not JSON at all, or differing from a valid one only as 12 and 12.0, which JSON cannot tell apart.
NOT_TO_BE_TOLD = ("caliperEntity-BadJson.json", "caliperEntitySurvey-MalformedItemsContainsWrongEntityType.json")


def enveloped(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is where it is an envelope, else as the only member of one's data."""
    if "sensor" in document:
        return document
    return {"sensor": "s", "sendTime": "2026-10-14T13:00:00.000Z", "dataVersion": VERSION, "data": [document]}


def read(envelope: object) -> Iterator[dict[str, Any]]:
    for element in caliper.open_envelope(envelope):
        record = caliper.read_element(element, ARRIVAL, READER)
        CONTRACT.validate(record)
        yield record


@pytest.mark.parametrize("name", CASES)
def test_a_golden_envelope_is_read_as_expected(name: str) -> None:
    case = json.loads((GOLDEN / f"{name}.json").read_text())
    elements = caliper.open_envelope(case["envelope"])
    assert len(elements) == len(case["expect"])
    for number, (element, expected) in enumerate(zip(elements, case["expect"], strict=True)):
        try:
            record = caliper.read_element(element, ARRIVAL, READER)
        except Refusal as refused:
            assert (number, refused.reason, refused.path) == (number, expected["reason"], expected["path"]), refused
            continue
        CONTRACT.validate(record)
        assert "reason" not in expected, (number, record)
        assert record["subject_key"] == READER.keys.subject_key("caliper", expected["learner"]), number
        assert {key: record[key] for key in expected["record"]} == expected["record"], number
        assert not {"p-07", "t-01", "my words"} & set(json.dumps(record).replace('"', "/").split("/"))


def test_what_is_no_envelope_is_refused_whole() -> None:
    case = json.loads((GOLDEN / "envelopes.json").read_text())
    for envelope, expected in zip(case["envelopes"], case["expect"], strict=True):
        with pytest.raises(Refusal) as refused:
            caliper.open_envelope(envelope)
        assert (refused.value.reason, refused.value.path) == (expected["reason"], expected["path"])


def test_all_that_the_specification_calls_valid_is_accepted(shared_fixture: Callable[[str], Path]) -> None:
    paths = sorted(shared_fixture("fixtures/caliper/valid").glob("*.json"))
    assert len(paths) > 100
    for path in paths:
        assert list(read(enveloped(json.loads(path.read_text())))), path.name


def test_all_that_the_specification_calls_invalid_is_refused(shared_fixture: Callable[[str], Path]) -> None:
    paths = sorted(shared_fixture("fixtures/caliper/invalid").glob("*.json"))
    assert len(paths) > 80
    for path in paths:
        if path.name in NOT_TO_BE_TOLD:
            continue
        with pytest.raises(Refusal) as refused:
            list(read(enveloped(json.loads(path.read_text()))))
        assert refused.value.path and refused.value.reason in REASONS, path.name


@pytest.mark.parametrize("kind", [{"type": "Response"}, ["Event"], 7, True, ""])
def test_a_type_that_is_no_text_is_refused(kind: object) -> None:
    """Found by the fuzzer: taken for a configuration of an endpoint, which has no type, it could not be looked up."""
    with pytest.raises(Refusal) as refused:
        list(read(enveloped({"type": kind, "@context": VERSION})))
    assert (refused.value.reason, refused.value.path) == ("field_missing", "type")


def test_a_refused_element_is_refused_alike_without_its_envelope() -> None:
    """What is sealed is the element alone: it must say its version."""
    case = json.loads((GOLDEN / "times_and_ids.json").read_text())
    for element in case["envelope"]["data"]:
        del element["@context"]
    for element in caliper.open_envelope(case["envelope"]):
        assert element["@context"] == VERSION


ODD: tuple[Any, ...] = (
    None,
    True,
    7,
    -1.5,
    10**15,
    "",
    " ",
    "x",
    [],
    [[]],
    {},
    {"type": []},
    {"id": 7, "type": "Person"},
)


def mutated(element: Any) -> Iterator[Any]:
    """The element with one part at any depth replaced by something odd, one after the other; then it is whole again."""
    for key in list(element) if isinstance(element, dict) else range(len(element)):
        kept = element[key]
        for odd in ODD:
            element[key] = odd
            yield element
        element[key] = kept
        if isinstance(kept, dict | list):
            for _ in mutated(kept):
                yield element


@pytest.mark.parametrize("version", [VERSION, VERSION.replace("v1p2", "v1p1")])
def test_any_mutation_is_a_record_that_keeps_the_contract_or_a_refusal(version: str) -> None:
    taken = refused = 0
    for name in CASES:
        for element in json.loads((GOLDEN / f"{name}.json").read_text())["envelope"]["data"]:
            element["@context"] = version
            for changed in mutated(element):
                try:
                    record = caliper.read_element(changed, ARRIVAL, READER)
                except Refusal as refusal:
                    assert refusal.reason in REASONS
                    refused += 1
                else:
                    assert CONTRACT.is_valid(record), changed
                    taken += 1
    assert taken > 200 and refused > 1_000


def test_a_description_counts_in_the_books_and_for_nobody() -> None:
    person = {"@context": VERSION, "id": "https://id.cedar.example/users/p-07", "type": "Person"}
    (record,) = read(enveloped(person))
    assert record["activity_type"] == "engagement"
    assert record["extensions"] == {"caliper_kind": "entity"}
    assert record["item_id"] is None
    assert "p-07" not in json.dumps(record)


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_personal_of_a_canvas_event_is_kept(number: int, shared_fixture: Callable[[str], Path]) -> None:
    """Public case 16: logins, SIS ids and addresses in extensions, a child's name in an assignment's name."""
    path = shared_fixture("fixtures/public_cases/16-caliper-canvas-live-event") / f"input.{number}.json"
    (record,) = read(json.loads(path.read_text()))
    assert record["activity_type"] == ("assessment", "engagement")[number - 1]
    assert record["success"] is None and record["score_scaled"] is None
    assert not [word for word in ("ilva", "Ilva", "004711", "192.0.2.77") if word in json.dumps(record)]


def test_a_score_without_a_learner_is_nobodys(shared_fixture: Callable[[str], Path]) -> None:
    """Public case 15."""
    path = shared_fixture("fixtures/public_cases/15-caliper-grade-without-attempt") / "input.json"
    pupil = READER.keys.subject_key("caliper", "https://id.cedar.example/users/q-thin")
    outcomes = []
    for element in caliper.open_envelope(json.loads(path.read_text())):
        try:
            record = caliper.read_element(element, ARRIVAL, READER)
        except Refusal as refused:
            outcomes.append(refused.reason)
        else:
            assert record["subject_key"] == pupil
            outcomes.append((record["score_raw"], record["score_scaled"], record["success"]))
    assert outcomes == [(1.0, 1.0, True), "learner_unknown", "field_invalid", (1.0, None, None)]
