"""What an xAPI request says beside its statements: edition, parameters, content type, the alternate syntax of 1.0.3.

Sections are of part three of the specification (1.0.3) unless another is named.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from cairn.evidence.formats import UUID_TEXT
from cairn.evidence.xapi_rules import Judging
from streaming.http import BodyError
from streaming.multipart import JSON, MULTIPART, Part, media_type_of, statements_and_attachments

# Reads the body of a request with these headers.
ReadBody = Callable[[dict[bytes, bytes]], Awaitable[bytes]]
VERSION_HEADER = b"x-experience-api-version"
VERSIONS = ("1.0.3", "2.0.0")
EDITION = re.compile(rb"(1|2)\.0(?:\.(\d{1,4}))?")
LATEST_PATCH = 3
FORM = "application/x-www-form-urlencoded"
# Form parameters of the alternate syntax that stand for headers (1.3).
FORM_HEADERS = frozenset(
    (b"authorization", VERSION_HEADER, b"content-type", b"content-length", b"if-match", b"if-none-match")
)
METHODS = ("GET", "HEAD", "POST", "PUT")
PARAMETERS = {
    "PUT": frozenset(("statementId",)),
    "POST": frozenset[str](),
    "GET": frozenset(
        (
            *("statementId", "voidedStatementId", "agent", "verb", "activity", "registration", "related_activities"),
            *("related_agents", "since", "until", "limit", "format", "attachments", "ascending"),
        )
    ),
}
FORMATS = ("ids", "exact", "canonical")


@dataclass
class XapiRequest:
    """A request as it is meant, whichever syntax it came in; ``content`` is None where the body is still to be read."""

    method: str
    headers: dict[bytes, bytes]
    parameters: dict[str, str]
    content: bytes | None = None

    @property
    def content_type(self) -> str:
        """The Content-Type header, whole."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    @property
    def media_type(self) -> str:
        """Type and subtype in lower case."""
        return media_type_of(self.content_type)


def answer_version(headers: dict[bytes, bytes]) -> bytes:
    """Version header of every answer: the latest patch of the edition that was asked for (3.3)."""
    return b"2.0.0" if headers.get(VERSION_HEADER, b"").startswith(b"2.0") else b"1.0.3"


def versions_for(headers: dict[bytes, bytes]) -> list[str]:
    """What ``about`` lists: to a client of 1.0.x only editions that it can know (2.8)."""
    edition = EDITION.fullmatch(headers.get(VERSION_HEADER, b""))
    if edition is None or edition[1] == b"2":
        return list(VERSIONS)
    return [f"1.0.{patch}" for patch in range(min(int(edition[2] or 0), LATEST_PATCH) + 1)]


def judging_of(headers: dict[bytes, bytes], is_strict: bool) -> Judging:
    """By which edition the statements are judged. Raises BodyError (400) as 3.3 has it.

    In the partial mode the header may be missing, and both editions' statements are taken under either.
    """
    given = headers.get(VERSION_HEADER)
    if given is None and not is_strict:
        return Judging.PARTIAL
    edition = EDITION.fullmatch(given or b"")
    if edition is None:
        raise BodyError(400, "version", "X-Experience-API-Version is required: 1.0, 1.0.x or 2.0.x")
    if not is_strict:
        return Judging.PARTIAL
    return Judging.XAPI_1 if edition[1] == b"1" else Judging.XAPI_2


def _pairs(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    if len(dict(pairs)) < len(pairs):
        raise BodyError(400, "parameter", "a parameter was given twice")
    return dict(pairs)


async def open_request(scope: dict[str, Any], read: ReadBody) -> XapiRequest:
    """The request that is meant; a form is read by ``read``. Raises BodyError where it is not as 1.3 has it."""
    headers = dict(scope["headers"])
    if not scope["query_string"]:
        return XapiRequest(scope["method"], headers, {})
    try:
        parameters = _pairs(scope["query_string"].decode("ascii"))
        if "method" not in parameters:
            return XapiRequest(scope["method"], headers, parameters)
        form = _pairs((await _form(scope["method"], headers, parameters, read)).decode())
    except ValueError as problem:
        raise BodyError(400, "parameter", "parameters must be URL-encoded UTF-8, at most 100") from problem
    method = parameters["method"].upper()
    if method not in METHODS:
        raise BodyError(400, "parameter", f"method must be one of {', '.join(METHODS)}")
    headers[b"content-type"] = JSON.encode()
    content = form.pop("content", None)
    for name in list(form):
        if (lowered := name.lower().encode()) in FORM_HEADERS:
            headers[lowered] = form.pop(name).encode("utf-8")
    if method in ("POST", "PUT") and content is None:
        raise BodyError(400, "content", "a form that stores statements holds them as its parameter content")
    return XapiRequest(method, headers, form, (content or "").encode())


async def _form(method: str, headers: dict[bytes, bytes], parameters: dict[str, str], read: ReadBody) -> bytes:
    if method != "POST" or len(parameters) > 1:
        said = "the alternate syntax is a POST with method as the only parameter in its address"
        raise BodyError(400, "parameter", said)
    if headers.get(VERSION_HEADER, b"").startswith(b"2"):
        raise BodyError(400, "parameter", "version 2.0 has no alternate request syntax: use the method itself")
    if headers.get(b"content-type", FORM.encode()).partition(b";")[0].strip().lower() != FORM.encode():
        raise BodyError(400, "content_type", f"the alternate syntax is sent as {FORM}")
    return await read(headers)


def check_parameters(request: XapiRequest, is_strict: bool) -> None:
    """Raise BodyError (400) where a parameter is not the resource's own, in its case (3.2), or not of its form."""
    allowed = PARAMETERS["GET" if request.method == "HEAD" else request.method]
    unknown = request.parameters.keys() - allowed
    if unknown and (is_strict or request.method in ("GET", "HEAD")):
        raise BodyError(400, "parameter", f"{request.method} knows only {', '.join(sorted(allowed)) or 'no parameter'}")
    for name in ("statementId", "voidedStatementId"):
        if name in request.parameters and not UUID_TEXT.fullmatch(request.parameters[name]):
            raise BodyError(400, "statement_id", f"{name} must be a UUID")
    if request.method == "PUT" and "statementId" not in request.parameters:
        raise BodyError(400, "statement_id", "PUT needs ?statementId=UUID")


def asked_for(request: XapiRequest) -> tuple[str, bool]:
    """The id that a GET asks for, and whether of a voided statement (2.1.3). Raises BodyError."""
    given = request.parameters
    both = [name for name in ("statementId", "voidedStatementId") if name in given]
    if not both:
        raise BodyError(403, "forbidden", "a sender may ask for its own statements by statementId, not for lists")
    if len(both) > 1 or given.keys() - {*both, "attachments", "format"}:
        said = "statementId and voidedStatementId stand alone, with attachments and format at most"
        raise BodyError(400, "parameter", said)
    if given.get("format", "exact") not in FORMATS or given.get("attachments", "false") not in ("true", "false"):
        raise BodyError(400, "parameter", f"format is one of {', '.join(FORMATS)}, attachments true or false")
    return given[both[0]].lower(), both[0] == "voidedStatementId"


def taken_apart(request: XapiRequest, body: bytes, is_strict: bool) -> tuple[bytes, dict[str, Part]]:
    """The JSON of a body and its attachments. Raises Refusal, or BodyError where the content type is none of ours."""
    if request.media_type == MULTIPART:
        return statements_and_attachments(body, request.content_type)
    if is_strict and request.media_type != JSON:
        raise BodyError(400, "content_type", f"Content-Type must be {JSON} or {MULTIPART}")
    return body, {}
