"""Requests made of good ones by a seed: what apps, old tools and people who mean harm send."""

from __future__ import annotations

import copy
import gzip
import json
import random
import re
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.streaming.xapi_bodies import BOUNDARY, answered, multipart, signed, with_attachment

XAPI, CALIPER = "/xapi/statements", "/caliper"
ENVELOPE = {
    "sensor": "https://sensor.example/1",
    "sendTime": "2026-10-14T08:00:00.000Z",
    "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2",
}
ADDRESSES = (XAPI, XAPI, "/xAPI/statements", CALIPER, "/xapi/about", "/subjects", "/health", "/", "/xapi/statements/")
Path_ = tuple[Any, ...]


@dataclass
class Request:
    """One request of a sender; ``chunks`` are how its body arrives, ``is_cut`` that the connection ends within it."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    chunks: int = 1
    is_cut: bool = False


@dataclass(frozen=True)
class Material:
    """Examples as JSON: xAPI statements, Caliper envelopes, any objects to graft; and multipart bodies."""

    statements: list[bytes]
    envelopes: list[bytes]
    parts: list[bytes]
    multiparts: list[bytes] = field(default_factory=list)


def load_material(fixtures: Path) -> Material:
    """Of the folder of fixtures: xapi and caliper, with statements, attachments and signatures of our own."""
    xapi = _objects(fixtures, "xapi/**/*.json")
    assert xapi, f"no fixtures in {fixtures}"
    valid, invalid = (_objects(fixtures, f"caliper/{folder}/*.json") for folder in ("valid", "invalid"))
    statements = [one for one in xapi if "actor" in one and "verb" in one]
    plain = answered(id=str(uuid.UUID(int=7, version=4)))
    signed_statement, signature = signed(plain, "RS256")
    attached = with_attachment(answered(id=str(uuid.UUID(int=8, version=4))), b"an essay")
    whole = [plain, *_objects(fixtures, "xapi/openedx/*.json")]
    # Good ones more often than those that are bad already, and some together.
    statements += [*whole * 3, attached, *([one, plain] for one in whole)]
    enveloped = [one if "data" in one else {**ENVELOPE, "data": [one]} for one in (*valid, *valid, *invalid)]
    bodies = [
        multipart([attached], [b"an essay"]),
        multipart([signed_statement], [signature], kind="application/octet-stream"),
    ]
    return Material(
        [orjson.dumps(one) for one in statements],
        [orjson.dumps(one) for one in enveloped],
        [orjson.dumps(one) for one in (*xapi, *valid, *invalid)],
        bodies,
    )


def _objects(fixtures: Path, pattern: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(fixtures.glob(pattern)):
        try:
            found.append(json.loads(path.read_bytes()))
        except ValueError:
            continue  # some of the invalid ones are no JSON: their octets are mutated into others often enough
    return [one for one in found if isinstance(one, dict)]


# Written into the JSON as they stand, where a string with this mark was.
RAW = "raw-json-"
RAW_MARK = re.compile(rb'"' + RAW.encode() + rb'(\d+)"')
RAW_VALUES = (
    *(b"1e400", b"-1e400", b"9" * 400, b"-0", b"0.1e-400", b"NaN", b"Infinity", b"01", b"+1", b".5", b"1.", b"0x1f"),
    *(b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\u0000"', b'"a\\u0000b"', b'"\\x41"', b"'single'", b"undefined", b"nul"),
    *(b'{"id":1,"id":2}', b'{"a":{"b":1,"b":1}}', b"[" * 60 + b"]" * 60, b"[" * 3000 + b"]" * 3000),
    *(b'{"a":' * 190 + b"1" + b"}" * 190, b'{"a":' * 2000 + b"1" + b"}" * 2000, b'"\xff\xfe"', b'"\xed\xa0\x80"'),
    *(b'"' + b"x" * 20_000 + b'"', b"[1,]", b'{"a":1,}', b"18446744073709551616", b"-9223372036854775809", b"/**/1"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64 - 1, 0.5, -0.0, 1e308, 5e-324),
    *(
        "",
        " ",
        "null",
        "true",
        "0",
        "1",
        "1.0",
        "\x00",
        "\u200b",
        "\u202e",
        "😀",
        "İ",
        "a" * 300,
        "..",
        "%00",
        "' or 1=1",
    ),
    *([], {}, [[]], [None], {"": None}, {"objectType": "Group"}, {"objectType": "SubStatement"}, {"id": None}),
    *("mailto:", "mailto:a@b", "MAILTO:A@B.C", "http://", "urn:x", "javascript:1", "PT", "P1Y2W", "PT1e9S", "-PT1S"),
    *("2026-02-30T00:00:00Z", "2026-10-14T08:00:00", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+14:00"),
    *("2026-10-14T24:00:00Z", "2026-10-14T08:00:60Z", "en-US", "x-klingon", "00000000-0000-0000-0000-000000000000"),
)


def requests(
    material: Material, tokens: list[bytes], seed: str, first: int, last: int
) -> Iterator[tuple[int, Request]]:
    """The requests of the numbers from ``first`` to before ``last``: each is made of the seed and its number alone."""
    for number in range(first, last):
        yield number, request(material, tokens, random.Random(f"{seed}-{number}"))


def request(material: Material, tokens: list[bytes], chance: random.Random) -> Request:
    """One request: a good one, then one to four mutations of what it holds, of its octets or of its head."""
    headers = {
        b"authorization": b"Bearer " + chance.choice(tokens),
        b"content-type": b"application/json",
        b"x-experience-api-version": chance.choice((b"1.0.3", b"2.0.0")),
    }
    kind = chance.random()
    if kind < 0.08 and material.multiparts:
        made = _multipart(chance, material, headers)
    elif kind < 0.45:
        made = Request("POST", CALIPER, b"", headers, _document(chance, material, material.envelopes))
    else:
        made = Request("POST", XAPI, b"", headers, _document(chance, material, material.statements))
        if chance.random() < 0.1:
            made.method, made.query = (
                "PUT",
                b"statementId=" + str(uuid.UUID(int=chance.randrange(9), version=4)).encode(),
            )
    if chance.random() < 0.3:
        for _ in range(chance.randint(1, 3)):
            made.body = _octets(chance, made.body)
    if chance.random() < 0.15:
        _head(chance, made)
    return made


def _document(chance: random.Random, material: Material, good: list[bytes]) -> bytes:
    document = orjson.loads(chance.choice(good))
    raw: list[bytes] = []
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 4))):
        document = _mutated(chance, document, material, raw)
    text = json.dumps(document, ensure_ascii=chance.random() < 0.8).encode("utf-8", "surrogatepass")
    return RAW_MARK.sub(lambda found: raw[int(found[1])], text)


def _places(value: Any, way: Path_ = ()) -> Iterator[Path_]:
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _places(item, (*way, step))


def _at(value: Any, way: Path_) -> Any:
    for step in way:
        value = value[step]
    return value


def _mutated(chance: random.Random, document: Any, material: Material, raw: list[bytes]) -> Any:
    """The document with one place of it changed."""
    places = list(_places(document))
    way = chance.choice(places)
    if not way:
        return (
            [document] * chance.randint(0, 3) if chance.random() < 0.5 else orjson.loads(chance.choice(material.parts))
        )
    holder, step = _at(document, way[:-1]), way[-1]
    match chance.randrange(9):
        case 0:
            holder[step] = copy.deepcopy(chance.choice(ODD_VALUES))
        case 1:
            raw.append(chance.choice(RAW_VALUES))
            holder[step] = f"{RAW}{len(raw) - 1}"
        case 2:
            del holder[step]
        case 3 if isinstance(holder, dict):
            changed = chance.choice((str(step).upper(), str(step) + " ", "", "objectType", "id", "extensions"))
            holder[changed] = holder.pop(step)
        case 4:
            holder[step] = orjson.loads(chance.choice(material.parts))
        case 5:
            holder[step] = copy.deepcopy(_at(document, chance.choice(places)))
        case 6:
            holder[step] = [holder[step]] * chance.choice((1, 1, 2, 9))
        case 7:
            holder[step] = json.dumps(holder[step]) if not isinstance(holder[step], str) else len(holder[step])
        case _:
            value = holder[step]
            holder[step] = {"value": value, chance.choice(("$ref", "@id", "type", "__proto__")): value}
    return document


def _octets(chance: random.Random, body: bytes) -> bytes:
    """The body cut, doubled, or with other octets in it."""
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.choice((1, 1, 4, 64, 1024)))
    match chance.randrange(7):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + chance.randbytes(chance.choice((1, 2, 8))) + body[at:]
        case 2:
            return body[:at] + body[end:]
        case 3:
            return body[:end] + body[at:]
        case 4:
            return body[:at] + bytes([chance.choice(b'\x00\xff"{}[],:\\\r\n -')]) + body[at + 1 :]
        case 5:
            return b"\xef\xbb\xbf" + body if chance.random() < 0.5 else body.decode("utf-8", "replace").encode("utf-16")
        case _:
            return chance.randbytes(chance.choice((0, 1, 16, 300)))


def _multipart(chance: random.Random, material: Material, headers: dict[bytes, bytes]) -> Request:
    headers[b"content-type"] = b"multipart/mixed; boundary=" + BOUNDARY
    body = chance.choice(material.multiparts)
    match chance.randrange(6):
        case 0:
            body = body[: chance.randrange(len(body))]
        case 1:
            body = body.replace(BOUNDARY, BOUNDARY + b"x", chance.randint(1, 2))
        case 2:
            body = body.replace(b"\r\n", b"\n", chance.randint(1, 20))
        case 3:
            body = re.sub(rb"(?i)hash: [0-9a-f]{8}", b"Hash: 00000000", body)
        case 4:
            start, end = sorted(chance.randrange(len(body)) for _ in range(2))
            body = body[:start] + _document(chance, material, material.statements) + body[end:]
        case _:
            kinds = (b"multipart/mixed", b"multipart/mixed; boundary=", b"multipart/form-data; boundary=" + BOUNDARY)
            headers[b"content-type"] = chance.choice(kinds)
    return Request("POST", XAPI, b"", headers, body)


def _head(chance: random.Random, made: Request) -> None:
    """Another method, address or header than the body asks for."""
    match chance.randrange(9):
        case 0:
            made.method = chance.choice(("GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "post"))
        case 1:
            made.path = chance.choice(ADDRESSES)
        case 2:
            made.query = chance.choice(
                (b"statementId=x", b"method=POST", b"method=DELETE", b"a=1&a=1", b"%ff=%zz", b"statementId=", b"\xff")
            )
        case 3:
            versions = (b"", b"1.0", b"1.0.9", b"2.0", b"0.95", b"1.0.3.4", b"\xff", b"9" * 500)
            made.headers[b"x-experience-api-version"] = chance.choice(versions)
        case 4:
            kinds = (
                b"",
                b"text/plain",
                b"application/json; charset=utf-16",
                b"application/x-www-form-urlencoded",
                b"\xff",
            )
            made.headers[b"content-type"] = chance.choice(kinds)
        case 5:
            packed = gzip.compress(made.body, 1, mtime=0)
            made.headers[b"content-encoding"] = chance.choice((b"gzip", b"deflate", b"gzip, gzip", b"GZIP"))
            made.body = chance.choice((packed, packed[: len(packed) // 2], made.body, packed + b"x"))
        case 6:
            tokens = (b"", b"Bearer", b"Bearer \xff", b"Basic !!!", b"Basic Og==", b"Basic " + b"A" * 4000, b"Digest x")
            made.headers[b"authorization"] = chance.choice(tokens)
        case 7:
            made.query = b"method=" + chance.choice((b"POST", b"PUT", b"GET"))
            made.headers[b"content-type"] = b"application/x-www-form-urlencoded"
            made.body = urllib.parse.urlencode({"content": made.body, "X-Experience-API-Version": "1.0.3"}).encode()
        case _:
            made.chunks, made.is_cut = chance.choice((2, 7)), chance.random() < 0.5
    if chance.random() < 0.2:
        made.headers[b"if-none-match"] = chance.choice((b"*", b'"x"', b""))
