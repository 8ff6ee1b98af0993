"""What a verb means as evidence: ``verbs.yaml`` of the district, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from cairn.errors import CairnError
from cairn.settings import Settings

ACTIVITY_TYPES = ("attempt", "assessment", "completion", "grade", "engagement", "void")


@dataclass(frozen=True)
class Verb:
    """One verb: its kind of evidence, and the kind where the statement carries a result (score or success)."""

    activity_type: str
    with_result: str


@dataclass(frozen=True)
class Vocabulary:
    """The district's reading of verbs, activity types and extensions."""

    verbs: Mapping[str, Verb]
    assessment_types: frozenset[str]
    objective_types: frozenset[str]
    caliper_actions: Mapping[tuple[str, str], str]
    caliper_vocabulary: frozenset[str]
    extensions: frozenset[str]

    @classmethod
    def load(cls, settings: Settings) -> Vocabulary:
        """The vocabulary in ``district_dir/verbs.yaml``, or the shipped one where the district has none.

        Raises CairnError where a kind of evidence is not one of ``ACTIVITY_TYPES``.
        """
        from cairn.settings import REPOSITORY

        path = settings.district_dir / "verbs.yaml"
        if not path.exists():
            path = REPOSITORY / "schemas" / "district" / "verbs.yaml"
        raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        verbs = {iri: _verb(iri, meaning, str(path)) for iri, meaning in raw["xapi_verbs"].items()}
        actions = {
            (event_type, action): _checked(kind, f"{event_type}.{action}", str(path))
            for event_type, by_action in raw["caliper_actions"].items()
            for action, kind in by_action.items()
        }
        return cls(
            verbs=verbs,
            assessment_types=frozenset(raw["assessment_activity_types"]),
            objective_types=frozenset(raw["objective_activity_types"]),
            caliper_actions=actions,
            caliper_vocabulary=frozenset(raw["caliper_vocabulary"]),
            extensions=frozenset(raw["extensions"]),
        )


def _checked(kind: str, name: str, path: str) -> str:
    if kind not in ACTIVITY_TYPES:
        raise CairnError(f"{path}: {name} means {kind!r}, expected one of {', '.join(ACTIVITY_TYPES)}")
    return kind


def _verb(iri: str, meaning: str | dict[str, str], path: str) -> Verb:
    if isinstance(meaning, str):
        kind = _checked(meaning, iri, path)
        return Verb(kind, kind)
    return Verb(_checked(meaning["means"], iri, path), _checked(meaning["with_result"], iri, path))
