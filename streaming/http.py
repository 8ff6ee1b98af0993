"""Small parts of HTTP for the bare ASGI services: responses, and bodies within limits."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import orjson

BODY_LIMIT_BYTES = 8 << 20
UNPACKED_LIMIT_BYTES = 32 << 20
# JSON statements shrink ten to twenty times; a bomb a thousand times.
RATIO_LIMIT = 200
RATIO_FREE_BYTES = 1 << 20
JSON_TYPE = (b"content-type", b"application/json")

Headers = list[tuple[bytes, bytes]]


class BodyError(Exception):
    """A body that is not taken in: HTTP status, machine-readable reason, what to do, when to come again (0: never)."""

    def __init__(self, status: int, reason: str, detail: str, after_seconds: int = 0) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail, self.after_seconds = status, reason, detail, after_seconds


@dataclass
class Response:
    """An answer in one piece."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)

    async def send(self, send: Any, has_body: bool = True) -> None:
        """Write it to the ASGI connection; to a HEAD without its body."""
        length = (b"content-length", str(len(self.body)).encode())
        headers = self.headers if self.status == 204 else [*self.headers, length]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body if has_body else b""})


def json_response(status: int, value: Any, headers: Headers | None = None) -> Response:
    """A JSON answer."""
    return Response(status, orjson.dumps(value), [JSON_TYPE, *(headers or ())])


def error(status: int, reason: str, detail: str, headers: Headers | None = None) -> Response:
    """An answer that says what is wrong and what to do."""
    return json_response(status, {"error": reason, "detail": detail}, headers)


async def read_body(receive: Any, headers: dict[bytes, bytes]) -> bytes:
    """The body, unpacked where it is gzip. Raises BodyError over the limits, so that no bomb is unpacked."""
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in (b"identity", b"", b"gzip"):
        raise BodyError(415, "encoding", "Content-Encoding must be gzip or absent")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyError(400, "disconnected", "the connection ended before the body did")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= BODY_LIMIT_BYTES:
            chunks.append(chunk)
        elif size > 4 * BODY_LIMIT_BYTES:
            break
        if not message.get("more_body", False):
            break
    if size > BODY_LIMIT_BYTES:
        raise BodyError(413, "body_too_large", f"a body may have {BODY_LIMIT_BYTES >> 20} MiB: send smaller batches")
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return unpack(body) if coding == b"gzip" else body


def unpack(packed: bytes) -> bytes:
    """The content of one gzip stream. Raises BodyError where it is cut, no gzip, too large or too dense."""
    limit = min(UNPACKED_LIMIT_BYTES, max(RATIO_FREE_BYTES, RATIO_LIMIT * len(packed)))
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(packed, limit)
    except zlib.error as problem:
        raise BodyError(400, "body_unreadable", "the body is not gzip although Content-Encoding says so") from problem
    if stream.unconsumed_tail:
        detail = f"the unpacked body is over {limit >> 20} MiB: send smaller batches"
        raise BodyError(413, "body_too_large", detail)
    if not stream.eof:
        raise BodyError(400, "body_unreadable", "the gzip body is cut: send it again")
    return content
