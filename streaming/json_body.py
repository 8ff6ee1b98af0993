"""The JSON of a request: parsed once, quickly, and with one answer to what JSON leaves open.

A key twice in one object, which every parser reads in its own way, is found; half a surrogate pair, a NUL byte, NaN and
the like are no JSON here. A number beyond the range of a double is infinite for the parser and refused by the rules.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

from cairn.evidence.activity import Refusal

BLANKS = " \t\n\r"


@dataclass(frozen=True)
class Parsed:
    """A document, and in which of its parts an object has a key twice: places in the outer list, 0 for an object."""

    value: Any
    doubled: frozenset[int] = frozenset()


def parse(body: bytes) -> Parsed:
    """The document in a body. Raises Refusal where it is not JSON, or lies too deep within itself to be written."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"not JSON from line {error.lineno}, column {error.colno}: send the whole document again"
        raise Refusal("malformed_json", detail) from None
    value = {} if value is None else value
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise Refusal("nested_too_deep", "objects or lists lie too deep within each other: at most 200") from None
    # A key that is dropped takes its colon along, and nothing else changes their number but an escaped one.
    if body.count(b":") == written.count(b":") and b"\\u003" not in body:
        return Parsed(value)
    return Parsed(value, _doubled(body.decode()))


def _doubled(text: str) -> frozenset[int]:
    """The parts in which an object has a key twice, by a parser that shows all pairs."""
    found: set[int] = set()
    place = 0

    def pairs(items: list[tuple[str, object]]) -> None:
        if len({key for key, _ in items}) < len(items):
            found.add(place)

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_int=len, parse_float=len)
    at = _skip(text, 0)
    if text[at] != "[":
        decoder.raw_decode(text, at)
        return frozenset(found)
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        place += 1
    return frozenset(found)


def _skip(text: str, at: int) -> int:
    while text[at] in BLANKS:
        at += 1
    return at
