"""multipart/mixed as xAPI sends statements with attachments: first the JSON, then one part an attachment (RFC 2046)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cairn.evidence.activity import Refusal

MOST_PARTS = 1_000
MOST_HEADER_BYTES = 8_192
BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
MULTIPART, JSON = "multipart/mixed", "application/json"


def media_type_of(content_type: str) -> str:
    """Type and subtype of a Content-Type in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Part:
    """One part: headers by their names in lower case, and the octets."""

    headers: dict[str, str]
    data: bytes

    @property
    def media_type(self) -> str:
        """Type and subtype in lower case, without parameters."""
        return media_type_of(self.headers.get("content-type", ""))


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names. Raises Refusal where it names none."""
    match = BOUNDARY.search(content_type)
    if match is None:
        raise Refusal("multipart_invalid", "Content-Type multipart/mixed needs its boundary")
    return match[1] or match[2]


def split(body: bytes, boundary: str) -> list[Part]:
    """The parts between the boundaries, in order.

    Raises Refusal where the body has not the form that RFC 2046 (5.1) gives it: a boundary before each part, a last
    one that closes, headers that end in an empty line.
    """
    mark = b"--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 3 or len(pieces) > MOST_PARTS + 2 or pieces[0] not in (b"", b"\r\n"):
        raise Refusal(
            "multipart_invalid", f"the body must be 1 to {MOST_PARTS} parts, each after a line of -- and the boundary"
        )
    if not pieces[-1].startswith(b"--"):
        raise Refusal("multipart_invalid", "the last boundary must end in --: the body was cut")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    padding, found, rest = piece.partition(b"\r\n")
    if not found or padding.strip(b" \t"):
        raise Refusal("multipart_invalid", "a boundary must stand in a line of its own, ended by CR LF")
    head, found, data = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not found or len(head) > MOST_HEADER_BYTES:
        raise Refusal("multipart_invalid", "the headers of each part must end in an empty line (CR LF CR LF)")
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        if line:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name.strip().lower() in headers:
                raise Refusal("multipart_invalid", "each header of a part is NAME: VALUE, once")
            headers[name.strip().lower()] = value.strip()
    return Part(headers, data)


def statements_and_attachments(body: bytes, content_type: str) -> tuple[bytes, dict[str, Part]]:
    """The JSON of the statements, and the attachments by their SHA-2 sums in lower case.

    Raises Refusal where a part lacks what the specification asks of it (1.0.3 part three, 1.5.2).
    """
    first, *others = split(body, boundary_of(content_type))
    if first.media_type != JSON:
        raise Refusal("multipart_invalid", "the first part holds the statements: its Content-Type is application/json")
    attachments: dict[str, Part] = {}
    for part in others:
        sha2 = part.headers.get("x-experience-api-hash", "").lower()
        if not sha2:
            raise Refusal("multipart_invalid", "each part after the first needs X-Experience-API-Hash")
        if part.headers.get("content-transfer-encoding", "").lower() != "binary":
            raise Refusal("multipart_invalid", "each part after the first needs Content-Transfer-Encoding: binary")
        attachments[sha2] = part
    return first.data, attachments
