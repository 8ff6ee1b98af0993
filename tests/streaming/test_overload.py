"""More than a gateway can hold: 429 where it is too much, 503 where the broker is away; what waits is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from cairn.settings import Settings
from streaming import producer
from streaming import room as module
from streaming.gateway import Gateway
from streaming.sources import Mode, SourceRegistry
from tests.streaming.xapi_bodies import answered


@pytest.fixture
def token(settings: Settings) -> str:
    registry = SourceRegistry(settings)
    _, token = registry.add("tilewise", mode=Mode.PARTIAL)
    registry.close()
    return token


async def post(
    gateway: Gateway, token: str, body: bytes, path: str = "/xapi/statements", query: bytes = b""
) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    """One request by ASGI, as the server hands it over."""
    headers = [(b"authorization", b"Bearer " + token.encode()), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": headers}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), orjson.loads(sent[1]["body"])


async def turns() -> None:
    """Let every request go as far as it can without the committer."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("is_connected", "status", "reason"), [(True, 429, "overloaded"), (False, 503, "try_again")], ids=["busy", "away"]
)
@pytest.mark.parametrize("bound", ["QUEUE_MESSAGES", "QUEUE_BYTES"])
def test_what_waits_is_bounded(
    settings: Settings,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    is_connected: bool,
    status: int,
    reason: str,
) -> None:
    # A committer that is not started: what it takes waits, as behind a broker that is slow or away.
    monkeypatch.setattr(producer, bound, 20 if bound == "QUEUE_MESSAGES" else 8_000)
    body = orjson.dumps(answered())

    async def flood() -> list[tuple[int, dict[bytes, bytes], dict[str, Any]]]:
        gateway = Gateway(settings)
        gateway.committer.is_connected = is_connected
        requests = [asyncio.create_task(post(gateway, token, body)) for _ in range(60)]
        await turns()
        waiting = [request for request in requests if not request.done()]
        assert 5 <= len(waiting) <= 20
        for request in waiting:
            request.cancel()
        return [request.result() for request in requests if request not in waiting]

    answers = asyncio.run(flood())
    assert len(answers) >= 40
    for got, headers, told in answers:
        assert (got, told["error"]) == (status, reason)
        assert int(headers[b"retry-after"]) >= 1


def test_bodies_that_are_being_read_are_bounded(
    settings: Settings, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BODIES_BYTES", 2_000)
    body = orjson.dumps([answered() for _ in range(4)])

    async def two() -> None:
        gateway = Gateway(settings)
        gateway.committer.is_connected = True
        gateway._room._reading_bytes = 1_999  # of a request that goes on sending
        assert (await post(gateway, token, body))[0] == 429
        gateway._room._reading_bytes = 0
        monkeypatch.setattr(module, "BODIES_BYTES", 1)
        taken = asyncio.create_task(post(gateway, token, body))
        await turns()
        assert not taken.done(), "a body larger than the bound is taken where it is alone"
        assert gateway._room._reading_bytes == 0
        taken.cancel()

    asyncio.run(two())


@pytest.mark.parametrize(("path", "query"), [("/xapi/statements", b"method=POST"), ("/subjects", b"")])
def test_forms_and_questions_are_bounded_as_bodies_are(settings: Settings, token: str, path: str, query: bytes) -> None:
    """A form is read before its sender is known, who stands in it."""

    async def one() -> None:
        gateway = Gateway(settings)
        gateway.committer.is_connected = True
        gateway._room._reading_bytes = module.BODIES_BYTES
        status, headers, told = await post(gateway, token, b"content=1", path, query)
        assert (status, told["error"], headers[b"retry-after"]) == (429, "overloaded", b"2")

    asyncio.run(one())
