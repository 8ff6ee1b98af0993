"""Ends of CASE associations: which item, or the document, an identifier or a URI in any form means.

CASE gives each thing an identifier and a URI, and real packages give one, the other, or a URI that another server made
of the identifier (``.../CFItems/ID``, ``ID.json``, ``ID?format=json``, ``urn:uuid:ID``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from cairn.evidence.formats import UUID_TEXT
from cairn.rostering.tabular import CellError


class Ends:
    """What associations may lead to: this package's document and items, and competencies loaded before."""

    def __init__(self, own: Mapping[str, Mapping[str, Any]], elsewhere: Collection[str]) -> None:
        """``own``: document and items of the package by identifier; ``elsewhere``: identifiers loaded before."""
        self._meant: dict[str, str] = {}
        for identifier in elsewhere:
            self._meant[identifier.lower()] = identifier
        for identifier, thing in own.items():
            self._meant[identifier.lower()] = identifier
            if thing.get("uri"):
                self._meant[_plain(str(thing["uri"]))] = identifier

    def of(self, raw: Mapping[str, Any], key: str) -> tuple[str, bool]:
        """The end under ``key`` and whether it is known. Raises CellError where the association has none."""
        named = list(_spellings(raw.get(key)))
        if not named:
            raise CellError(f"has no {key}")
        known = next((self._meant[one.lower()] for one in named if one.lower() in self._meant), None)
        return (known, True) if known is not None else (named[0], False)


def _spellings(node: object) -> Iterator[str]:
    """What the end may be called, the likeliest first: its identifier, its URI, and identifiers within the URI."""
    given = {"uri": node} if isinstance(node, str) else node
    if not isinstance(given, dict):
        return
    if given.get("identifier"):
        yield str(given["identifier"]).strip()
    if given.get("uri"):
        uri = str(given["uri"]).strip()
        plain = _plain(uri)
        last = re.split(r"[/:]", plain)[-1]
        if last:
            yield last
        yield plain
        yield from reversed(UUID_TEXT.findall(uri))


def _plain(uri: str) -> str:
    """A URI without what does not tell things apart: query, fragment, the format's ending, the last slash, case."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # an address that is none (an open bracket): compared as it is
        return uri.lower()
    path = unquote(parts.path).rstrip("/").removesuffix(".json").rstrip("/")
    head = f"{parts.scheme}:" if parts.scheme else ""
    return f"{head}{'//' + parts.netloc if parts.netloc else ''}{path}".lower()
