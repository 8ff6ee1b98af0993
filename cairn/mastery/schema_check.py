"""Checks of the district's files against their JSON Schemas, and short hashes of what they say."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import jsonschema_rs

from cairn.district import EXAMPLES
from cairn.errors import CairnError


def short_hash(content: Any) -> str:
    """The first 8 hex digits of the SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


@cache
def _validator(name: str, mask: str | None) -> Any:
    schema = json.loads((EXAMPLES / "json_schema" / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema, mask=mask)


def check(raw: dict[str, Any], name: str, where: str, *, mask: str | None = None) -> None:
    """Check a mapping against schema ``name``. Raises CairnError naming the file and the first key that breaks it.

    ``mask``: what stands in the message for the value, where that may be a secret written in the wrong place.
    """
    for error in _validator(name, mask).iter_errors(raw):
        key = ".".join(str(part) for part in error.instance_path) or "top"
        raise CairnError(f"{where}: {key}: {error.message}: correct it (schemas/district/json_schema/{name}.json)")
