"""The form of a plan (``schemas/pilots/plan.schema.json``): what does not fit it, and what to write instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from cairn.settings import REPOSITORY
from cairn.spreadsheets import day_meant, number_meant
from pilots.known import nearest
from pilots.plan_yaml import KeyPath

SCHEMA_PATH = REPOSITORY / "schemas" / "pilots" / "plan.schema.json"
NUMBERS = ("number", "integer")


def form_problems(raw: object) -> list[tuple[KeyPath, str]]:
    """Where a plan does not have the form: key path and message; empty where it has."""
    if not isinstance(raw, dict):
        return [((), "a plan must be a mapping; see schemas/pilots/plan.schema.json")]
    found: list[tuple[KeyPath, str]] = []
    for error in _validator().iter_errors(raw):
        at: KeyPath = tuple(error.instance_path)
        name = ".".join(str(part) for part in at) or "plan"
        hint = _key_meant(raw, at) if "dditional properties" in error.message else _value_meant(raw, at)
        found.append((at, f"{name}: {error.message}{'; ' if hint else ''}{hint}"))
    return found


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


@lru_cache(maxsize=1)
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(), validate_formats=True)


def _schema_of(at: KeyPath) -> Mapping[str, Any]:
    """What the form says of the value at a key path; empty where it says nothing."""
    schema = _schema()
    for part in at:
        if isinstance(part, int):
            schema = schema.get("items", {})
        else:
            other = schema.get("additionalProperties")
            schema = schema.get("properties", {}).get(part) or (other if isinstance(other, dict) else {})
        if "$ref" in schema:
            schema = _schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _value_at(raw: object, at: KeyPath) -> Any:
    value: Any = raw
    for part in at:
        value = value[part]
    return value


def _key_meant(raw: object, at: KeyPath) -> str:
    """For keys that are not known: the nearest that are."""
    known = list(_schema_of(at).get("properties", {}))
    hints = []
    for key in sorted(set(_value_at(raw, at)) - set(known)):
        hints.append(nearest(str(key), known, f"known keys are {', '.join(known)}", of=key))
    return " ".join(hints)


def _value_meant(raw: object, at: KeyPath) -> str:
    """For a number or a day as a spreadsheet writes it, or a text without quotes: what to write."""
    schema, value = _schema_of(at), _value_at(raw, at)
    if isinstance(value, bool):
        return ""
    if isinstance(value, str) and (known := [str(one) for one in schema.get("enum", ())]):
        return nearest(value, known, "")
    if schema.get("format") == "date" and isinstance(value, str | int | float):
        meant = day_meant(value)
        return meant.advice if meant else "write a day as YYYY-MM-DD, 2026-08-31 for example"
    if schema.get("type") in NUMBERS and isinstance(value, str):
        meant = number_meant(value)
        return meant.advice if meant else "write a number with a decimal point and without a unit, 1250 or 0.8"
    if schema.get("type") == "string" and isinstance(value, int | float):
        return f"put it in quotes: '{value}'"
    if at[-2:-1] == ("arms",) and value == []:
        return "a pilot is judged by schools with the change and schools without: name at least one"
    return ""
