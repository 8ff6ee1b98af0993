"""Whether a text names somebody, by any identifier in it: no plain identifier is needed, only the keys."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from cairn.keys import DistrictKeys

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
LONGEST_IDENTIFIER = 2_000


def names_one_of(keys: DistrictKeys, text: bytes, subject_keys: Collection[str], kinds: Collection[str]) -> bool:
    """Whether some quoted string of a JSON text, whole or broken, is an identifier of one of the kinds and keys."""
    return any(keys.subject_key(kind, value) in subject_keys for value in set(_strings(text)) for kind in kinds)


def _strings(text: bytes) -> Iterator[str]:
    for found in _STRING.finditer(text):
        if len(found[1]) > LONGEST_IDENTIFIER:
            continue
        try:
            yield json.loads(found[0])
        except ValueError:
            yield found[1].decode("utf-8", "replace")
