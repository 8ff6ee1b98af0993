"""What of the refused may be replayed, and as what: without a broker, by the processor alone."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cairn.settings import Settings
from streaming.process import ANY_TERMS, Outcome, Processor, Terms
from streaming.seals import SealStore
from streaming.sources import Source
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED
from tests.streaming.xapi_bodies import answered, with_attachment

ADDRESS = "/xapi/statements"
STRICT = Terms(is_whole=True, parts={})
FIRST_AT = "2026-09-14T15:00:00.000000Z"
SCHOOL = "https://cairn.example/xapi/extensions/school"
ELSEWHERE = {"extensions": {SCHOOL: "sch-09"}}


def of_topic(outcome: Outcome, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(message.value) for message in outcome.messages if message.topic == topic]


def without_id(**parts: Any) -> dict[str, Any]:
    return {key: value for key, value in answered(**parts).items() if key != "id"}


@pytest.mark.parametrize(
    ("body", "terms", "reason", "is_sealed"),
    [
        (b'{"id":1,"id":2}', ANY_TERMS, "key_repeated", False),
        (orjson.dumps(with_attachment(answered(), b"essay")), STRICT, "attachment_invalid", False),
        (orjson.dumps(answered(verb={"id": "pondered"})), STRICT, "iri_invalid", True),
        (orjson.dumps(without_id(verb={"id": "pondered"})), STRICT, "iri_invalid", False),
        (orjson.dumps(without_id(verb={"id": "pondered"})), ANY_TERMS, "iri_invalid", True),
    ],
)
def test_what_only_its_sender_can_mend_is_not_kept(
    settings: Settings, body: bytes, terms: Terms, reason: str, is_sealed: bool
) -> None:
    outcome = Processor(settings).xapi(body, Source("tilewise"), ADDRESS, terms=terms)
    (refused,) = of_topic(outcome, REJECTED)
    assert (refused["reason"], refused["seal_ref"] is not None) == (reason, is_sealed)
    assert ("send it again mended" in refused["detail"]) is not is_sealed
    assert outcome.rejections[0].detail == refused["detail"]


def test_nothing_of_a_refused_batch_is_kept_one_by_one(settings: Settings) -> None:
    one = answered()
    batch = orjson.dumps([answered(), one, one])
    outcome = Processor(settings).xapi(batch, Source("tilewise"), ADDRESS, terms=STRICT)
    refused = of_topic(outcome, REJECTED)
    assert [each["reason"] for each in refused] == ["batch_refused", "batch_refused", "id_repeated"]
    assert [each["seal_ref"] for each in refused] == [None] * 3
    wrong = Processor(settings).xapi(orjson.dumps(one), Source("tilewise"), ADDRESS, put_id=answered()["id"])
    assert [(each["reason"], each["seal_ref"]) for each in of_topic(wrong, REJECTED)] == [("id_mismatch", None)]


def test_a_replay_came_when_it_first_came_and_is_the_same_twice(settings: Settings) -> None:
    """A statement with neither time nor id: the work is of the day it came, and a replay cut off counts once."""
    processor = Processor(settings)
    narrow, wide = Source("tilewise", frozenset({"sch-01"})), Source("tilewise")
    outcome = processor.xapi(orjson.dumps(without_id(context=ELSEWHERE)), narrow, ADDRESS)
    refusal = of_topic(outcome, REJECTED)[0] | {"received_at": FIRST_AT}
    kind, original = SealStore(settings).read(refusal["seal_ref"])
    still = processor.again(kind, original, narrow, "replay", refusal)
    assert of_topic(still, REJECTED)[0]["received_at"] == FIRST_AT
    again = [processor.again(kind, original, wide, "replay", refusal) for _ in range(2)]
    first, second = (of_topic(each, ACTIVITY)[0] for each in again)
    assert first == second
    assert (first["received_at"], first["received_date"], first["event_time"]) == (FIRST_AT, "2026-09-14", FIRST_AT)
    assert [receipt["received_date"] for receipt in of_topic(again[0], RECEIPTS)] == ["2026-09-14"]
    other = processor.again(kind, original, wide, "replay", refusal | {"rejected_id": answered()["id"]})
    assert of_topic(other, ACTIVITY)[0]["event_id"] != first["event_id"]


def test_the_total_of_questions_that_were_refused_together_stays_their_total(settings: Settings) -> None:
    """Each original is replayed by itself: that others of its request named it as their parent is sealed with it."""
    block = "https://items.example/block-4"
    named = {**ELSEWHERE, "contextActivities": {"parent": [{"id": block}]}}
    total = answered(object={"id": block}, context=ELSEWHERE)
    questions = [answered(object={"id": f"{block}/{n}"}, context=named) for n in (1, 2)]
    body = orjson.dumps([total, *questions])
    processor = Processor(settings)
    narrow, wide = Source("tilewise", frozenset({"sch-01"})), Source("tilewise")
    refused = of_topic(processor.xapi(body, narrow, ADDRESS), REJECTED)
    assert [each["reason"] for each in refused] == ["school_out_of_scope"] * 3
    seals = SealStore(settings)
    replayed = [
        of_topic(processor.again(*seals.read(each["seal_ref"]), wide, "replay", each), ACTIVITY)[0] for each in refused
    ]
    at_once = of_topic(processor.xapi(body, wide, ADDRESS), ACTIVITY)
    kinds = [each["activity_type"] for each in at_once]
    assert kinds == ["assessment", "attempt", "attempt"]
    assert [each["activity_type"] for each in replayed] == kinds
    assert [each["content_hash"] for each in replayed] == [each["content_hash"] for each in at_once]
