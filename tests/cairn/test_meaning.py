"""What verbs, types of events and scores mean as evidence: one table for both standards, one place for scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cairn.errors import CairnError
from cairn.evidence import xapi
from cairn.evidence.activity import Arrival, Reader, Refusal
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.outcome import by_mastery_score, is_out_of_range, outcome
from cairn.keys import DistrictKeys
from cairn.settings import REPOSITORY, Settings

ARRIVAL = Arrival("tilewise", frozenset(), datetime(2026, 10, 14, 14, 0, tzinfo=UTC), ZoneInfo("America/Chicago"))
READER = Reader(DistrictKeys(1, b"a" * 32, b"b" * 32, b"c" * 32), Vocabulary.load(Settings()))
CMI5 = "https://w3id.org/xapi/cmi5/context/"
MASTERY_SCORE = CMI5 + "extensions/masteryscore"
ADL, ADL_CMI5 = "http://adlnet.gov/expapi/verbs/", "https://w3id.org/xapi/adl/verbs/"


def read(statements: list[Any]) -> Iterator[dict[str, Any]]:
    parents = xapi.parents_of(statements)
    for statement in statements:
        yield xapi.read_statement(statement, ARRIVAL, READER, parents=parents)


def statement(verb: str, **parts: Any) -> dict[str, Any]:
    return {
        "actor": {"account": {"homePage": "https://id.cedar.example", "name": "p-07"}},
        "verb": {"id": verb},
        "object": {"id": "https://course.cedar.example/unit/1"},
        **parts,
    }


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        # success, scaled, raw, min, max
        ((None, None, 3.0, 0.0, 4.0), (None, 0.75)),
        ((None, None, 3.0, None, 4.0), (None, 0.75)),
        ((True, 0.0, None, None, None), (True, 0.0)),
        ((False, 0.16, 16.0, 0.0, 100.0), (False, 0.16)),
        ((None, 0.0, 0.0, 0.0, 0.0), (None, None)),
        ((False, 0.0, 0.0, 0.0, 0.0), (None, None)),
        ((True, 1.0, 10.0, 10.0, 10.0), (None, None)),
        ((None, None, None, None, 0.0), (None, None)),
        ((None, None, 5.0, None, 1.0), (None, None)),
        ((None, None, 5.0, None, None), (None, None)),
        ((None, None, None, None, None), (None, None)),
    ],
)
def test_a_score_says_something_within_a_range(given: tuple[Any, ...], counts: tuple[Any, ...]) -> None:
    assert outcome(*given) == counts


def test_what_lies_outside_its_range_is_known() -> None:
    assert is_out_of_range(5.0, None, 1.0)
    assert is_out_of_range(-1.0, None, None)
    assert not is_out_of_range(1.0, 0.0, 1.0)
    assert not is_out_of_range(None, 0.0, 1.0)


@pytest.mark.parametrize(
    ("success", "scaled", "mastery_score", "counts"),
    [
        (None, 0.8, 0.8, True),
        (None, 0.79, 0.8, False),
        (True, 0.5, 0.8, True),
        (None, None, 0.8, None),
        (None, 0.5, "0.8", None),
        (None, 0.5, 80, None),
        (None, 0.5, True, None),
    ],
)
def test_a_mastery_score_tells_where_success_is_not_said(
    success: bool | None, scaled: float | None, mastery_score: object, counts: bool | None
) -> None:
    assert by_mastery_score(success, scaled, mastery_score) is counts
    context = {"extensions": {MASTERY_SCORE: mastery_score}}
    score = {} if scaled is None else {"score": {"scaled": scaled}}
    result = score | ({} if success is None else {"success": success})
    (record,) = read([statement(ADL + "completed", result=result, context=context)])
    assert record["success"] is counts


@pytest.mark.parametrize(
    ("verb", "result", "kind"),
    [
        (ADL + "launched", None, "engagement"),
        (ADL + "initialized", None, "engagement"),
        (ADL + "completed", {"completion": True, "duration": "PT4M"}, "completion"),
        (ADL + "passed", {"success": True, "score": {"scaled": 0.9}}, "assessment"),
        (ADL + "failed", {"success": False, "score": {"scaled": 0.4}}, "assessment"),
        (ADL_CMI5 + "abandoned", None, "engagement"),
        (ADL_CMI5 + "waived", {"success": True, "completion": True}, "engagement"),
        (ADL + "terminated", None, "engagement"),
        (ADL_CMI5 + "satisfied", None, "completion"),
        # H5P
        (ADL + "answered", {"score": {"raw": 1, "min": 0, "max": 2, "scaled": 0.5}, "response": "1"}, "attempt"),
        (ADL + "attempted", None, "engagement"),
        (ADL + "interacted", None, "engagement"),
        (ADL + "progressed", None, "engagement"),
        (ADL + "consumed", None, "engagement"),
        (ADL + "accessed-reuse", None, "engagement"),
        (ADL + "completed", {"score": {"raw": 4, "min": 0, "max": 5, "scaled": 0.8}}, "completion"),
    ],
)
def test_verbs_of_cmi5_and_h5p(verb: str, result: dict[str, Any] | None, kind: str) -> None:
    category = {"category": [{"id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}]}
    parts = {"result": result} if result else {}
    (record,) = read([statement(verb, context={"contextActivities": category}, **parts)])
    assert record["activity_type"] == kind
    assert "xapi_kind" not in (record["extensions"] or {}), "it is in verbs.yaml"


def test_what_open_edx_sends_is_counted_once(shared_fixture: Callable[[str], Path]) -> None:
    kinds: dict[str, Counter[str]] = {}
    for path in sorted(shared_fixture("fixtures/xapi/openedx").glob("*.json")):
        found = json.loads(path.read_text())
        try:
            records = list(read(found if isinstance(found, list) else [found]))
        except Refusal as refused:
            assert (refused.reason, "_0" in path.name) == ("score_out_of_range", True), "a score of 0 in 0 to 0"
            continue
        kinds[path.name] = Counter(record["activity_type"] for record in records)
        assert not any(record["score_max"] == 0 and record["success"] is not None for record in records), path.name
    for name in ("incorrect", "partial_correct"):
        several = kinds[f"problem_check(server,multiple_questions,{name}).json"]
        assert several == {"assessment": 1, "attempt": 3}, "the problem is the total of its three questions"
    assert kinds["problem_check(server).json"] == kinds["edx.grades.problem.submitted.json"] == {"attempt": 1}
    assert kinds["edx.course.grade.passed.first_time.json"] == {"completion": 1}
    evidence = {"attempt", "assessment", "grade", "completion"}
    working = {name.split(".")[0] for name, each in kinds.items() if evidence & each.keys()}
    assert not {"play_video", "pause_video", "seek_video", "showanswer", "load_video"} & working


def test_a_submission_is_the_total_of_its_questions(shared_fixture: Callable[[str], Path]) -> None:
    """Public case 08: the parent of questions of the same request is no attempt of its own, in any order."""
    path = shared_fixture("fixtures/public_cases/08-xapi-one-submission-many-questions") / "input.json"
    statements = json.loads(path.read_text())
    for order in (statements, statements[::-1]):
        kinds = {record["item_id"]: record["activity_type"] for record in read(order)}
        assert kinds.pop("https://items.quirk.example/block-set-4") == "assessment"
        assert list(kinds.values()) == ["attempt"] * 3
    (alone,) = read(statements[:1])
    assert alone["activity_type"] == "attempt", "nothing says that there is more"
    other = {"account": {"homePage": "https://id.cedar.example", "name": "p-08"}}
    whole = next(one for one in statements if one["object"]["id"].endswith("block-set-4"))
    for stranger in ({"actor": other}, {"context": {"registration": "00000000-0000-4000-8000-000000000001"}}):
        *_, forwarded = read([*statements, whole | stranger])
        assert forwarded["activity_type"] == "attempt", "questions of another learner, or of another time, say nothing"
    odd: list[Any] = [None, 7, {"context": {"contextActivities": {"parent": [[], "x", {"id": []}]}}, "verb": {"id": 1}}]
    actors: list[Any] = [None, [], {"mbox": []}, {"account": 1}]
    odd += [odd[2] | {"actor": actor} for actor in actors]
    assert xapi.parents_of(odd) == frozenset()


def test_the_table_is_checked_when_it_is_read(tmp_path: Path) -> None:
    shipped = (REPOSITORY / "schemas/district/verbs.yaml").read_text()
    settings = Settings(district_dir=tmp_path)
    (tmp_path / "verbs.yaml").write_text(
        shipped.replace("AssessmentItem: {grade: attempt}", "AssessmentItem: {grade: x}")
    )
    with pytest.raises(CairnError, match=r"AssessmentItem\.grade means 'x'"):
        Vocabulary.load(settings)
    (tmp_path / "verbs.yaml").write_text(shipped.replace("caliper_by_object:", "by_object:"))
    with pytest.raises(CairnError, match=r"lacks caliper_by_object: copy it from schemas/district/verbs\.yaml"):
        Vocabulary.load(settings)
