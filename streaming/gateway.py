"""The gateway: where learner activity comes in over HTTP. ``python -m streaming.gateway --port P``

Bare ASGI, because the hot path wants no framework. A request is answered only when its records, refusals and receipt
are committed in Kafka (all in-sync replicas): 200 all taken (204 for PUT), 207 some refused (sources in the partial
mode only), 400 nothing taken (403 out of the token's scope, 409 another statement of the id is here, 413 too large),
503 not committed or not known (send again; what has an id of its own and was there already shows as duplicate), 429 too
fast: the source is over its rate, or all of them together over what this gateway can hold (send again later).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import gc
import hashlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from cairn.errors import CairnError
from cairn.evidence.activity import REASONS, Refusal
from cairn.evidence.caliper_model import models as caliper_models
from cairn.evidence.times import instant_text
from cairn.keys import event_id
from cairn.settings import Settings
from streaming.http import BodyError, Response, error, json_response
from streaming.limits import RETRY_AFTER_SECONDS, OwnRates, Rates, RecentEvents, SharedRates, WrongTokens, retry_after
from streaming.metrics import METRICS, exposition
from streaming.process import Outcome, Processor, Terms
from streaming.producer import Fate, GroupCommitter
from streaming.room import Room
from streaming.sent import SentStatements
from streaming.serve import serve
from streaming.sources import Mode, Source, SourceRegistry, write_uses
from streaming.subjects import SubjectDesk
from streaming.xapi_request import (
    METHODS,
    VERSION_HEADER,
    XapiRequest,
    answer_version,
    asked_for,
    check_parameters,
    judging_of,
    open_request,
    taken_apart,
    versions_for,
)

log = logging.getLogger(__name__)

XAPI_ENDPOINT = "/xapi/statements"
# Status of a request of which nothing was taken, by its first reason; 400 for all others.
STATUS = {
    "body_too_large": 413,
    "too_many_statements": 413,
    "school_out_of_scope": 403,
    "id_conflict": 409,
    "version_unsupported": 422,
}
USES_SECONDS = 30.0
# A request's objects go by themselves when it is answered: they need not be looked through for rings meanwhile.
COLLECT_AFTER = (100_000, 10, 10)
REALM = b'Basic realm="cairn", Bearer realm="cairn"'


class Gateway:
    """One ASGI application with its registry, processor and committer."""

    def __init__(self, settings: Settings, number: int = 0, committer: GroupCommitter | None = None) -> None:
        """``number``: which of ``gateway_processes`` this is, from 0; ``committer``: another than its own."""
        self.settings = settings
        self.sources = SourceRegistry(settings)
        self.processor = Processor(settings)
        # Compiled here, so that no request waits for it and a broken file stops the start.
        caliper_models()
        self.committer = committer or GroupCommitter(settings, role=f"gateway-{number}" if number else "gateway")
        self._recent = RecentEvents()
        self._sent = SentStatements()
        rates_path = settings.stack_state_path.parent / "gateway-rates"
        self._rates: Rates = SharedRates(rates_path) if settings.gateway_processes > 1 else OwnRates()
        self._wrong_tokens = WrongTokens()
        self._subject_desk = SubjectDesk(settings, self.processor.keys.subject_key, self._rates)
        self._room = Room(self.committer)
        self._routes: dict[str, Callable[[dict[str, Any], Any], Awaitable[Response]]] = {
            "/xapi/statements": self._xapi,
            "/xAPI/statements": self._xapi,
            "/caliper": self._caliper,
            "/subjects": self._subjects,
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI entry point."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/") or "/"
        with METRICS.seconds.time():
            try:
                handler = self._routes.get(path)
                response = await handler(scope, receive) if handler else self._plain(path, scope)
            except BodyError as refused:
                after = [retry_after(refused.after_seconds)] if refused.after_seconds else []
                response = error(refused.status, refused.reason, refused.detail, after)
            except Exception:
                log.exception("a request to %s failed", path if path in self._routes else "an address")
                response = error(500, "internal", "the gateway failed: send again; its log says more")
        if path.startswith(("/xapi/", "/xAPI/")):
            response.headers.append((VERSION_HEADER, answer_version(dict(scope["headers"]))))
        METRICS.requests.labels(str(response.status)).inc()
        await response.send(send, has_body=scope["method"] != "HEAD")

    async def _lifespan(self, receive: Any, send: Any) -> None:
        uses: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                gc.freeze()
                gc.set_threshold(*COLLECT_AFTER)
                self.committer.start()
                uses = asyncio.create_task(self._note_uses())
                await send({"type": "lifespan.startup.complete"})
            else:
                if uses is not None:
                    uses.cancel()
                await self._write_uses()
                await asyncio.get_running_loop().run_in_executor(None, self.committer.stop)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _note_uses(self) -> None:
        """Write down every half minute which tokens were used."""
        while True:
            await asyncio.sleep(USES_SECONDS)
            await self._write_uses()

    async def _write_uses(self) -> None:
        try:
            await asyncio.to_thread(write_uses, self.settings, self.sources.take_uses())
        except (sqlite3.Error, OSError, CairnError) as problem:
            log.warning("when tokens were last used cannot be written down: %s", type(problem).__name__)

    def _plain(self, path: str, scope: dict[str, Any]) -> Response:
        """Addresses that need no token."""
        if path in ("/xapi/about", "/xAPI/about"):
            if scope["method"] not in ("GET", "HEAD"):
                return _wrong_method(("GET", "HEAD"))
            return json_response(200, {"version": versions_for(dict(scope["headers"]))})
        if path == "/health":
            is_up = self.committer.is_connected
            return json_response(200 if is_up else 503, {"status": "ready" if is_up else "starting"})
        if path == "/metrics":
            return exposition()
        if path == "/":
            addresses = ["/xapi/statements", "/xapi/about", "/caliper", "/subjects", "/health", "/metrics"]
            return json_response(200, {"service": "cairn gateway", "addresses": addresses})
        return error(404, "not_found", "no such address here: GET / lists them")

    def _admit(
        self, scope: dict[str, Any], method: str, headers: dict[bytes, bytes], methods: tuple[str, ...]
    ) -> Source | Response:
        """The sender of a request that may go on, else the answer that ends it."""
        if method not in methods:
            return _wrong_method(methods)
        token = _shown_token(headers)
        source = self.sources.by_token(token) if token is not None else None
        if source is None:
            return self._not_let_in(scope, token is not None)
        if source.rate and (wait := self._rates.wait_seconds(source.source_id, source.rate)) > 0:
            said = f"this source may send {source.rate:g} statements a second"
            return error(429, "too_fast", said, [retry_after(wait)])
        return source

    def _not_let_in(self, scope: dict[str, Any], has_token: bool) -> Response:
        """401; 429 where this address shows wrong tokens again and again."""
        if has_token:
            METRICS.wrong_tokens.inc()
            client = scope.get("client")
            if (wait := self._wrong_tokens.wait_seconds(client[0] if client else "")) > 0:
                return error(429, "wrong_tokens", "too many wrong tokens from this address", [retry_after(wait)])
        detail = "no valid token: send 'Authorization: Bearer TOKEN', or the token as password of HTTP Basic"
        return error(401, "unauthorized", detail, [(b"www-authenticate", REALM)])

    async def _xapi(self, scope: dict[str, Any], receive: Any) -> Response:
        """The Statement Resource (1.0.3 part three, 2.1; 2.0, 4.1.6.1)."""
        request = await open_request(scope, partial(self._room.read, receive))
        source = self._admit(scope, request.method, request.headers, METHODS)
        if isinstance(source, Response):
            return source
        is_strict = source.mode is Mode.STRICT
        judging = judging_of(request.headers, is_strict)
        check_parameters(request, is_strict)
        if request.method in ("GET", "HEAD"):
            return self._sent_statement(request, source)
        put_id = request.parameters.get("statementId") if request.method == "PUT" else None
        if put_id is not None and (failed := self._failed_condition(request, source, put_id)):
            return failed

        def process(body: bytes) -> Outcome:
            try:
                statements, parts = taken_apart(request, body, is_strict)
            except Refusal as refusal:
                return self.processor.refuse_body(source, XAPI_ENDPOINT, refusal.reason, refusal.detail)
            terms = Terms(judging, is_strict, parts, self._recent.is_conflict if is_strict else None)
            return self.processor.xapi(statements, source, XAPI_ENDPOINT, put_id, terms)

        if request.content is not None:
            outcome = process(request.content)
        else:
            outcome = await self._take(receive, request.headers, source, XAPI_ENDPOINT, process)
        response = await self._commit(outcome, source)
        if response.status in (200, 207):
            self._sent.add(source.source_id, outcome.records())
        if response.status == 200:
            if put_id is not None:
                response.status, response.body = 204, b""
            else:
                response.body = orjson.dumps(outcome.accepted_ids)
        return response

    def _sent_statement(self, request: XapiRequest, source: Source) -> Response:
        """A statement that this source sent lately, as it is kept (see ``streaming.sent``)."""
        statement_id, is_voided = asked_for(request)
        through = [(b"x-experience-api-consistent-through", instant_text(datetime.now(UTC)).encode())]
        found = self._sent.find(source.source_id, statement_id, is_voided)
        if found is None:
            said = "this gateway knows no such statement of this source among the latest"
            return error(404, "not_found", said, through)
        response = json_response(200, found, through)
        digest = hashlib.sha1(response.body, usedforsecurity=False).hexdigest()
        response.headers.append((b"etag", f'"{digest}"'.encode()))
        return response

    def _failed_condition(self, request: XapiRequest, source: Source, put_id: str) -> Response | None:
        """412 where a PUT may only make what is new and it is there, or only change what cannot be changed."""
        is_new_only = request.headers.get(b"if-none-match", b"").strip() == b"*"
        if is_new_only and self._recent.is_known(event_id(source.source_id, put_id.lower())):
            return error(412, "precondition", "a statement of this id is here: If-None-Match: * does not hold")
        if b"if-match" in request.headers:
            return error(412, "precondition", "statements are never changed: no If-Match holds")
        return None

    async def _caliper(self, scope: dict[str, Any], receive: Any) -> Response:
        headers = dict(scope["headers"])
        source = self._admit(scope, scope["method"], headers, ("POST",))
        if isinstance(source, Response):
            return source
        outcome = await self._take(
            receive, headers, source, "/caliper", lambda body: self.processor.caliper(body, source, "/caliper")
        )
        return await self._commit(outcome, source)

    async def _take(
        self,
        receive: Any,
        headers: dict[bytes, bytes],
        source: Source,
        endpoint: str,
        process: Callable[[bytes], Outcome],
    ) -> Outcome:
        """Read the body and process it; a body over the limits is booked as one refused statement."""
        self._room.check()
        try:
            body = await self._room.read(receive, headers)
        except BodyError as refused:
            if refused.reason not in REASONS:
                raise
            return self.processor.refuse_body(source, endpoint, refused.reason, refused.detail)
        return process(body)

    async def _commit(self, outcome: Outcome, source: Source) -> Response:
        """Answer once the request's messages are committed."""
        if outcome.messages:
            fate = await self._room.commit(outcome.messages)
            if fate is not Fate.COMMITTED:
                METRICS.uncommitted.labels(fate.value).inc(outcome.statements)
                said = "was not stored" if fate is Fate.NOT_SENT else "may or may not have been stored"
                again = "send it again; a statement with an id of its own is not counted twice"
                return error(503, "try_again", f"the request {said}: {again}", [retry_after(RETRY_AFTER_SECONDS)])
        if source.rate:
            self._rates.take(source.source_id, source.rate, outcome.statements)
        duplicates, conflicts = self._recent.add(outcome.marks)
        refused = [rejection.as_dict() for rejection in outcome.rejections]
        METRICS.statements.labels("accepted").inc(len(outcome.accepted_ids))
        for rejection in outcome.rejections:
            METRICS.refused.labels(rejection.reason).inc()
        status = 200 if not refused else 207 if outcome.accepted_ids else status_of(outcome)
        return json_response(
            status,
            {"accepted": outcome.accepted_ids, "rejected": refused},
            [
                (b"x-cairn-accepted", str(len(outcome.accepted_ids)).encode()),
                (b"x-cairn-rejected", str(len(refused)).encode()),
                (b"x-cairn-duplicates", str(duplicates).encode()),
                (b"x-cairn-conflicts", str(conflicts).encode()),
            ],
        )

    async def _subjects(self, scope: dict[str, Any], receive: Any) -> Response:
        """Keys for identifiers; needs a right of its own."""
        headers = dict(scope["headers"])
        source = self._admit(scope, scope["method"], headers, ("POST",))
        if isinstance(source, Response):
            return source
        return await self._subject_desk.answer(source, await self._room.read(receive, headers))


def _shown_token(headers: dict[bytes, bytes]) -> str | None:
    """The token that a request shows: ``Bearer TOKEN``, or the password of HTTP Basic; None where it shows none."""
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    scheme = scheme.lower()
    try:
        if scheme == b"bearer":
            return rest.strip().decode("ascii")
        if scheme == b"basic":
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        pass
    return None


def status_of(outcome: Outcome) -> int:
    """Status of a request of which nothing was taken: what its first refusal calls for, beside whole requests' own."""
    reasons = (told.reason for told in outcome.rejections)
    return STATUS.get(next((reason for reason in reasons if reason != "batch_refused"), ""), 400)


def _wrong_method(methods: tuple[str, ...]) -> Response:
    allowed = [(b"allow", b", ".join(method.encode() for method in methods))]
    return error(405, "method_not_allowed", f"use {' or '.join(methods)}", allowed)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    serve(
        Gateway,
        "Cairn's gateway",
        arguments,
        module="streaming.gateway",
        processes=lambda settings: settings.gateway_processes,
        has_tls=True,
    )


if __name__ == "__main__":
    main()
