"""No identifier in topics, refusals, answers or the gateway's log, wherever in a request it stood."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from cairn.evidence.xapi_rules import Judging
from cairn.settings import Settings
from streaming.process import Outcome, Processor, Terms
from streaming.sources import Source
from streaming.topics import end_offsets
from tests.streaming.gateway_process import gateway_log, raw, running_gateway
from tests.streaming.test_xapi_mutations import VALID
from tests.streaming.xapi_bodies import answered

MAIL = "adelheid.quill@example.org"
SPELLINGS = (MAIL, f"mailto:{MAIL}", f"https://x.example/users/{quote(MAIL)}?tab=1", "Adelheid Quill")
ENVELOPE: dict[str, Any] = {
    "sensor": "https://q.example/sensors/1",
    "sendTime": "2026-10-13T11:00:00.000Z",
    "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2",
    "data": [
        {
            "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2",
            "id": "urn:uuid:12c05c4e-253f-4073-9f29-5786f3ff3f36",
            "type": "NavigationEvent",
            "actor": {"id": f"https://id.example/users/{MAIL}", "type": "Person", "name": "Adelheid Quill"},
            "action": "NavigatedTo",
            "object": {"id": "https://q.example/1", "type": "WebPage", "name": "Halves"},
            "eventTime": "2026-10-13T10:57:06.000Z",
            "extensions": {"mood": "calm"},
        }
    ],
}


def variants(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The value with each spelling in each place: for what stands there, for its key, and under a key of its own."""
    for place in _places(value):
        for spelling in SPELLINGS:
            for way in ("value", "key", "more"):
                changed = copy.deepcopy(value)
                at: Any = changed
                for step in place[:-1]:
                    at = at[step]
                if way == "value":
                    at[place[-1]] = spelling
                elif isinstance(at, dict) and way == "key":
                    at[spelling] = at.pop(place[-1])
                elif isinstance(at, dict):
                    at[spelling] = spelling
                yield changed


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _places(item, (*way, step))


def names_nobody(outcome: Outcome) -> None:
    """Hold messages and what the sender is told to naming nobody."""
    told = orjson.dumps([refusal.as_dict() for refusal in outcome.rejections])
    for text in (told, *(message.value + (message.key or b"") for message in outcome.messages)):
        for word in (b"quill", b"adelheid"):
            assert word not in text.lower(), text[:2_000]


@pytest.mark.parametrize("judging", list(Judging))
def test_wherever_it_stands_in_a_statement(settings: Settings, judging: Judging) -> None:
    processor, source = Processor(settings), Source("tilewise")
    statements = list(variants(VALID))
    refused = 0
    for start in range(0, len(statements), 400):
        body = orjson.dumps(statements[start : start + 400])
        outcome = processor.xapi(body, source, "/xapi/statements", terms=Terms(judging))
        names_nobody(outcome)
        refused += len(outcome.rejections)
    assert 100 < refused < len(statements), "some are refused and some are taken"


def test_wherever_it_stands_in_a_caliper_envelope(settings: Settings) -> None:
    processor, source = Processor(settings), Source("tilewise")
    taken = 0
    for envelope in variants(ENVELOPE):
        outcome = processor.caliper(orjson.dumps(envelope), source, "/caliper")
        names_nobody(outcome)
        taken += len(outcome.accepted_ids)
    assert taken > 10


@pytest.mark.broker
def test_the_log_and_the_answers_say_nothing_of_what_stood_in_addresses_and_headers(
    broker: Settings, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", kafka_bootstrap=broker.kafka_bootstrap)
    since = end_offsets(settings.kafka_bootstrap)
    with running_gateway(settings) as gateway:
        token = gateway.token("tilewise")
        agent = quote(json.dumps({"mbox": f"mailto:{MAIL}"}))
        answers = [
            gateway.call("GET", f"/xapi/statements?agent={agent}", token),
            gateway.call("GET", f"/xapi/activities/state?agent={agent}", token),
            gateway.call("GET", f"/{quote(MAIL)}"),
            gateway.call("POST", f"/xapi/statements?{quote(MAIL)}=1", token, json=answered()),
            gateway.call("PUT", f"/xapi/statements?statementId={quote(MAIL)}", token, json=answered()),
            gateway.call("POST", "/xapi/statements", MAIL, json=answered()),
            gateway.call("POST", "/xapi/statements", token, content=f'{{"actor": "{MAIL}'),
            gateway.call("POST", "/xapi/statements", token, json=answered(), headers={"Content-Type": f"text/{MAIL}"}),
            gateway.call("POST", "/caliper", token, json={MAIL: MAIL}),
            gateway.call("POST", "/subjects", token, json=[{"kind": "mbox", "value": MAIL}]),
            gateway.call(
                "POST", "/xapi/statements", token, json=answered(), headers={"X-Experience-API-Version": MAIL}
            ),
        ]
    assert {answer.status_code // 100 for answer in answers} <= {2, 4}
    said = [gateway_log(settings).read_text(), *(answer.text + str(answer.headers) for answer in answers)]
    said += [value.decode() for values in raw(settings, since).values() for value in values]
    assert [text for text in said if "quill" in text.lower() or "adelheid" in text.lower()] == []
