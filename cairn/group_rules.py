"""The district's rules for small groups: ``groups.yaml``, checked against its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.mastery.schema_check import check
from cairn.settings import Settings

FILE_NAME = "groups.yaml"


@dataclass(frozen=True)
class GroupRules:
    """The district's rules. ``across``: schools that may group across their classes (``is_across`` where not named)."""

    smallest: int = 2
    largest: int = 6
    per_class: int = 3
    is_across: bool = False
    across: dict[str, bool] = field(default_factory=dict)

    def groups_across(self, school_id: str) -> bool:
        """Whether the school groups pupils of different classes."""
        return self.across.get(school_id, self.is_across)


def load_group_rules(settings: Settings) -> GroupRules:
    """The rules of ``groups.yaml``. Raises CairnError naming file and key where it says what cannot be."""
    path = district_path(settings, FILE_NAME)
    return group_rules_from(load_yaml_mapping(path), str(path))


def group_rules_from(raw: dict[str, Any], where: str = FILE_NAME) -> GroupRules:
    """The rules from the keys of groups.yaml; ``where`` names the file in errors. Raises CairnError."""
    check(raw, "groups", where)
    if raw["largest"] < raw["smallest"]:
        raise CairnError(f"{where}: largest: {raw['largest']} is under smallest, {raw['smallest']}: raise it")
    across: Mapping[str, Any] = raw["groups_across_classes"]
    return GroupRules(
        smallest=raw["smallest"],
        largest=raw["largest"],
        per_class=raw["per_class"],
        is_across=across["all_schools"],
        across=dict(across.get("schools") or {}),
    )
