"""Every rule of the xAPI specification about a statement: golden cases, public cases, mutations of a valid one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.evidence.activity import REASONS, Refusal
from cairn.evidence.formats import is_language
from cairn.evidence.xapi_rules import Judging, check_statement

CASES = Path(__file__).parent / "xapi_cases"
# What public projects stumbled over, as statements of ours; each folder's case.md says where.
PUBLIC_CASES = Path(__file__).parent / "xapi_public_cases"
VALID: dict[str, Any] = {
    "id": "7b0f3d1e-7a55-4b7e-9a53-3a8f2b6f1c22",
    "actor": {"objectType": "Agent", "account": {"homePage": "https://id.cedar.example", "name": "aquill9"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"en": "answered"}},
    "object": {
        "objectType": "Activity",
        "id": "https://items.tilewise.example/17",
        "definition": {"name": {"en": "Halves"}, "type": "http://adlnet.gov/expapi/activities/cmi.interaction"},
    },
    "result": {"score": {"scaled": 0.5, "raw": 2, "min": 0, "max": 4}, "success": True, "duration": "PT120S"},
    "context": {
        "registration": "11111111-2222-4333-8444-555555555555",
        "platform": "tilewise",
        "contextActivities": {"parent": [{"id": "https://items.tilewise.example/set"}]},
        "extensions": {"https://cairn.example/xapi/extensions/school": "sch-01"},
    },
    "timestamp": "2026-10-14T02:59:00.25-05:00",
}


def cases() -> list[Any]:
    """Every golden case, by its file and what it tries."""
    found = []
    for path in sorted(CASES.glob("*.json")):
        kinds = json.loads(path.read_text(encoding="utf-8"))
        found += [
            pytest.param(case, id=f"{path.stem}: {case['why']}") for case in (*kinds["accepted"], *kinds["refused"])
        ]
    return found


@pytest.mark.parametrize("case", cases())
def test_a_golden_case_is_judged_as_it_says(case: dict[str, Any]) -> None:
    statement = {key: value for key, value in VALID.items() if key not in case.get("drop", ())} | case.get("set", {})
    for judging in case.get("editions", list(Judging)):
        if "reason" not in case:
            check_statement(statement, Judging(judging))
            continue
        with pytest.raises(Refusal) as refused:
            check_statement(statement, Judging(judging))
        assert (refused.value.reason, refused.value.path) == (case["reason"], case["path"])
        assert case["reason"] in REASONS
        assert "Adelheid" not in str(refused.value)
        assert len(refused.value.detail) <= 500


@pytest.mark.parametrize("folder", sorted(PUBLIC_CASES.iterdir()), ids=lambda path: path.name)
def test_a_public_case_is_judged_as_expected(folder: Path) -> None:
    statements = orjson.loads((folder / "input.json").read_bytes())
    for expected in json.loads((folder / "expect.json").read_text()):
        try:
            check_statement(statements[expected["index"]], Judging.PARTIAL)
            found = "accept"
        except Refusal:
            found = "refuse"
        assert expected["want"] in (found, "either"), expected


@pytest.mark.parametrize(
    ("tag", "is_one"),
    [
        ("en", True),
        ("de-DE", True),
        ("sr-Latn-RS", True),
        ("zh-cmn-Hans-CN", True),
        ("sl-rozaj-biske", True),
        ("de-CH-1901", True),
        ("es-419", True),
        ("en-a-myext-b-another", True),
        ("ar-x-private", True),
        ("en-GB-oed", True),
        ("cmn", True),
        ("en-", False),
        ("-en", False),
        ("en--US", False),
        ("a", False),
        ("de-419-DE", False),
        ("sl-rozaj-rozaj", False),
        ("ar-a-aaa-b-bbb-a-ccc", False),
        ("en-US ", False),
        ("e\u0301n", False),
    ],
)
def test_a_language_tag_is_by_its_grammar(tag: str, is_one: bool) -> None:
    assert is_language(tag) is is_one


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within a document, the whole too."""
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _places(item, (*way, step))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(sorted(_places(VALID), key=str)), value=json_values, judging=st.sampled_from(Judging))
def test_any_mutation_is_taken_or_refused_with_a_place(place: tuple[Any, ...], value: Any, judging: Judging) -> None:
    statement = copy.deepcopy(VALID)
    at: Any = {"whole": statement}
    way: tuple[Any, ...] = ("whole", *place)
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = value
    changed = statement if place else value
    first = _judged(changed, judging)
    assert first == _judged(changed, judging)
    if first is not None:
        assert first[0] in REASONS


def _judged(statement: Any, judging: Judging) -> tuple[str, str] | None:
    try:
        check_statement(statement, judging)
    except Refusal as refusal:
        return refusal.reason, refusal.detail
    return None
