"""What of a refused statement may be shown: its kind and shape, in words of the standards, and no value of a person.

Shown are the verb's IRI (xAPI) or type and action (Caliper), what kind of object it is about, and which of the
standard's own keys it has. A word is left out where it could be somebody: where it is no term and no plain IRI, or
holds anything that the actor's own values hold (of an address what stands before its domain).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

LONGEST = 300
TERM = re.compile(r"[A-Z][A-Za-z]{2,48}", re.ASCII)
# No user, query or fragment, and no long number: an identifier could be in these.
PLAIN_IRI = re.compile(r"https?://(?!.*\d{5})[A-Za-z0-9.\-]{3,80}(?:/[A-Za-z0-9._\-]{1,60}){0,8}/?", re.ASCII)
XAPI_KEYS = ("id", "actor", "verb", "object", "result", "context", "timestamp", "version", "attachments")
CALIPER_KEYS = ("@context", "id", "type", "actor", "action", "object", "generated", "eventTime", "edApp", "group")
WORD = re.compile(r"[^\W_]{3,}")
MOST_VALUES = 100


def excerpt(original: bytes) -> str | None:
    """At most 300 characters of shape; None where the original is no JSON object or array, or says nothing."""
    try:
        document = orjson.loads(original)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, list):
        return f"an array of {len(document)}"
    if not isinstance(document, dict):
        return None
    found = _caliper(document) if "verb" not in document and isinstance(document.get("type"), str) else _xapi(document)
    return found[:LONGEST] or None


def _xapi(statement: dict[str, Any]) -> str:
    hidden = _words(statement.get("actor"))
    verb, thing = _inner(statement.get("verb"), "id"), _inner(statement.get("object"), "objectType")
    parts = [
        f"verb {verb}" if _is_plain(verb, PLAIN_IRI, hidden) else "",
        f"object {thing}" if _is_plain(thing, TERM, hidden) else "",
        _keys(statement, XAPI_KEYS),
    ]
    return "; ".join(part for part in parts if part)


def _caliper(element: dict[str, Any]) -> str:
    hidden = _words(element.get("actor"))
    kinds = [str(element.get(name)) for name in ("type", "action")]
    thing = _inner(element.get("object"), "type")
    parts = [
        "/".join(kind for kind in kinds if _is_plain(kind, TERM, hidden)),
        f"object {thing}" if _is_plain(thing, TERM, hidden) else "",
        _keys(element, CALIPER_KEYS),
    ]
    return "; ".join(part for part in parts if part)


def _inner(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _keys(given: dict[str, Any], known: tuple[str, ...]) -> str:
    found = [key for key in known if key in given]
    return f"has {', '.join(found)}" if found else ""


def _is_plain(value: object, form: re.Pattern[str], hidden: frozenset[str]) -> bool:
    if not isinstance(value, str) or not form.fullmatch(value):
        return False
    lowered = value.lower()
    return not any(word in lowered for word in hidden)


def _words(value: object) -> frozenset[str]:
    """Words of three letters or more in an actor's values, but for schemes, kinds, domains of mail and home pages."""
    words: set[str] = set()
    for text in _texts(value):
        words.update(word.lower() for word in WORD.findall(text.partition("@")[0]))
    return frozenset(words - {"http", "https", "mailto", "agent", "group", "person"})


def _texts(value: object) -> Iterator[str]:
    """Texts in a value, its first hundred parts; keys are none."""
    waiting, looked_at = [value], 0
    while waiting and looked_at < MOST_VALUES:
        one = waiting.pop()
        looked_at += 1
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(part for key, part in one.items() if key != "homePage")
        elif isinstance(one, list):
            waiting.extend(one)
