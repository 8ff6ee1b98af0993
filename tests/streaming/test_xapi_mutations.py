"""Whatever a body holds, a request has one answer, 2xx or 4xx, its books balance and its records keep the contract."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from cairn.evidence.activity import REASONS
from cairn.evidence.xapi_rules import Judging
from cairn.settings import Settings
from streaming.gateway import status_of
from streaming.process import Outcome, Processor, Terms
from streaming.sources import Source
from streaming.topics import RECEIPTS, REJECTED
from tests.streaming.xapi_bodies import answered, with_attachment

SOURCE = Source("tilewise", frozenset({"sch-01"}))
SCHOOL = "https://cairn.example/xapi/extensions/school"
# Without ids: an assigned one is another each time, and nothing else of the answer may be.
VALID = with_attachment(
    answered(
        object={
            "id": "https://items.example/1",
            "definition": {"name": {"en": "Halves"}, "type": "https://x.example/t"},
        },
        result={"score": {"raw": 1, "min": 0, "max": 2}, "success": True, "duration": "PT1M"},
        context={"extensions": {SCHOOL: "sch-01"}, "contextActivities": {"parent": {"id": "https://x.example/p"}}},
        timestamp="2026-10-14T08:00:00Z",
    ),
    b"data",
    fileUrl="https://files.example/1",
)
BODY = orjson.dumps([VALID, VALID | {"id": "00000000-0000-4000-8000-000000000001"}])


@pytest.fixture(scope="module")
def processor() -> Iterator[Processor]:
    with tempfile.TemporaryDirectory(prefix="cairn-mutations-") as home:
        yield Processor(Settings(home=Path(home)))


def answers(outcome: Outcome, is_whole: bool) -> tuple[int, list[tuple[str, str]]]:
    """Status and reasons, after the books of the request are held to balance."""
    received = sum(
        sum(orjson.loads(message.value)["statements"].values())
        for message in outcome.messages
        if message.topic == RECEIPTS
    )
    refused = [orjson.loads(message.value) for message in outcome.messages if message.topic == REJECTED]
    assert received == outcome.statements == len(outcome.accepted_ids) + len(refused)
    assert all(each["reason"] in REASONS and each["reason"] != "record_invalid" for each in refused)
    assert not (is_whole and refused and outcome.accepted_ids)
    status = 200 if not refused else 207 if outcome.accepted_ids else status_of(outcome)
    assert status in (200, 207, 400, 403, 413)
    return status, [(each["reason"], each["detail"]) for each in refused]


def held(processor: Processor, body: bytes, judging: Judging, is_whole: bool) -> None:
    terms = Terms(judging, is_whole, {})
    first = processor.xapi(body, SOURCE, "/xapi/statements", terms=terms)
    again = processor.xapi(body, SOURCE, "/xapi/statements", terms=terms)
    assert answers(first, is_whole) == answers(again, is_whole)


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _places(item, (*way, step))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["Group", "Agent"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=6,
)
judged = {"judging": st.sampled_from(Judging), "is_whole": st.booleans()}


@examples(max_examples=150, deadline=None)
@given(place=st.sampled_from(sorted(_places(VALID), key=str)), value=json_values, **judged)
def test_any_value_anywhere_has_one_answer(
    processor: Processor, place: tuple[Any, ...], value: Any, judging: Judging, is_whole: bool
) -> None:
    statement = copy.deepcopy(VALID)
    at: Any = statement
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    try:
        body = orjson.dumps([statement, VALID])
    except TypeError:  # an integer beyond 64 bits, or half a surrogate pair
        return
    held(processor, body, judging, is_whole)


@examples(max_examples=150, deadline=None)
@given(at=st.integers(0, len(BODY) - 1), cut=st.integers(0, 30), put=st.binary(max_size=12), **judged)
def test_any_octets_anywhere_have_one_answer(
    processor: Processor, at: int, cut: int, put: bytes, judging: Judging, is_whole: bool
) -> None:
    held(processor, BODY[:at] + put + BODY[at + cut :], judging, is_whole)
