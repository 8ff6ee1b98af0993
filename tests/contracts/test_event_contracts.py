"""Event contracts: samples pass or fail as they say, and no release is ever broken by a later one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from cairn.contracts import load_contract
from cairn.settings import REPOSITORY

EVENTS = REPOSITORY / "schemas" / "events"
TOPICS = sorted(path.name for path in EVENTS.iterdir() if path.is_dir())


def schema(topic: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / topic / "schema.json").read_text())
    return loaded


def samples(kind: str) -> list[Any]:
    found = sorted(EVENTS.glob(f"*/{kind}/*.json"))
    return [pytest.param(path, id=f"{path.parts[-3]}/{path.stem}") for path in found]


@pytest.mark.parametrize("path", samples("passing"))
def test_passing_samples_pass(path: Path) -> None:
    jsonschema_rs.validator_for(schema(path.parts[-3])).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", samples("failing"))
def test_failing_samples_fail(path: Path) -> None:
    assert not jsonschema_rs.is_valid(schema(path.parts[-3]), json.loads(path.read_text()))


@pytest.mark.parametrize("topic", TOPICS)
def test_the_schema_in_force_is_released(topic: str) -> None:
    current = schema(topic)
    version = current["$id"].rsplit("/", 1)[-1]
    released = json.loads((EVENTS / topic / "released" / f"{version}.json").read_text())
    assert current == released, f"{topic}: raise the version in $id and copy the schema to released/"


@pytest.mark.parametrize("topic", TOPICS)
def test_later_schemas_take_what_earlier_ones_took(topic: str) -> None:
    current = schema(topic)
    for path in sorted((EVENTS / topic / "released").glob("*.json")):
        assert breaks(json.loads(path.read_text()), current) == [], f"{topic} {path.stem}"


def breaks(old: dict[str, Any], new: dict[str, Any], where: str = "") -> list[str]:
    """Ways in which a record that ``old`` allowed may fail under ``new``."""
    found = [f"{where}: {name} became required" for name in set(new.get("required", ())) - set(old.get("required", ()))]
    olds, news = old.get("properties", {}), new.get("properties", {})
    found += [f"{where}.{name} is gone" for name in olds.keys() - news.keys()]
    for name in olds.keys() & news.keys():
        found += breaks(olds[name], news[name], f"{where}.{name}")
    if "type" in new:
        kinds = [each["type"] if isinstance(each["type"], list) else [each["type"]] for each in (old, new)]
        found += [f"{where}: no longer {kind}" for kind in set(kinds[0]) - set(kinds[1])]
    if "enum" in new:
        found += [
            f"{where}: {value} is no longer allowed" for value in set(old.get("enum", ("anything",))) - set(new["enum"])
        ]
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        found.append(f"{where}: pattern changed")
    for least in ("minimum", "minLength", "minItems", "minProperties"):
        if new.get(least, float("-inf")) > old.get(least, float("-inf")):
            found.append(f"{where}: {least} rose")
    for most in ("maximum", "maxLength", "maxItems", "maxProperties"):
        if new.get(most, float("inf")) < old.get(most, float("inf")):
            found.append(f"{where}: {most} fell")
    return found


def test_the_check_itself_sees_a_break() -> None:
    old = {"required": ["a"], "properties": {"a": {"type": ["string", "null"]}, "b": {"enum": [1, 2]}}}
    new = {"required": ["a", "b"], "properties": {"a": {"type": "string"}, "b": {"enum": [1]}}}
    assert len(breaks(old, new)) == 3
    assert breaks(old, old) == []


def test_the_record_has_the_columns_of_silver() -> None:
    """From event_id to extensions, the topic carries the columns of silver.learner_activity."""
    names = load_contract("silver.learner_activity").column_names
    columns = names[: names.index("extensions") + 1]
    assert (*columns, "raw") == tuple(schema("learner.activity.v1")["properties"])
