"""Which identifiers outside belong to which field of a person: the district's identity.yaml."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cairn.district import load_district_yaml
from cairn.errors import CairnError
from cairn.settings import Settings

IDENTITY_FILE = "identity.yaml"
SOURCED_ID = "sourcedId"
FIELDS = ("sourced_id", "username", "email", "identifier")


@dataclass(frozen=True)
class Rule:
    """One line of identity.yaml: identifiers of ``kind`` are built by ``template`` from ``fields`` of a person."""

    kind: str
    template: str
    fields: tuple[str, ...]

    def value(self, person: Mapping[str, str]) -> str:
        """The identifier, empty where the person lacks one of its fields."""
        values = {name: person.get(name, "") for name in self.fields}
        return self.template.format_map(values) if all(values.values()) else ""


def load_rules(settings: Settings) -> tuple[Rule, ...]:
    """Rules of the district; the sourcedId is always among them. Raises CairnError naming what is wrong."""
    raw = load_district_yaml(settings, IDENTITY_FILE)
    rules = [_rule(line, index) for index, line in enumerate(raw.get("identifiers") or ())]
    if SOURCED_ID not in {rule.kind for rule in rules}:
        rules.insert(0, Rule(SOURCED_ID, "{sourced_id}", ("sourced_id",)))
    return tuple(rules)


def _rule(raw: Mapping[str, Any], index: int) -> Rule:
    kind = str(raw.get("kind") or "")
    template = str(raw.get("template") or ("{" + str(raw.get("field") or "") + "}"))
    fields = tuple(name for _, name, _, _ in string.Formatter().parse(template) if name)
    if not kind or not fields or set(fields) - set(FIELDS):
        raise CairnError(
            f"{IDENTITY_FILE}: identifiers[{index}] needs a kind and a field or template of {', '.join(FIELDS)}"
        )
    return Rule(kind, template, fields)


def identifiers_of(person: Mapping[str, str], rules: tuple[Rule, ...]) -> Iterator[tuple[str, str]]:
    """(kind, value) of every identifier the rules give a person."""
    for rule in rules:
        value = rule.value(person)
        if value:
            yield rule.kind, value
