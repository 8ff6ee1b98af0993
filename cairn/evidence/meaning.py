"""What a verb means as evidence: ``verbs.yaml`` of the district, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings

# Kept whatever the district's list says, since intake reads it: work of an earlier year on purpose ("true").
HISTORY = "https://cairn.example/xapi/extensions/history"
ACTIVITY_TYPES = ("attempt", "assessment", "completion", "grade", "engagement", "void")


@dataclass(frozen=True)
class Verb:
    """One verb: its kind of evidence, and the kind where the statement carries a result (score or success)."""

    activity_type: str
    with_result: str


Kinds = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Vocabulary:
    """The district's reading of verbs, types of event and object, and extensions."""

    verbs: Mapping[str, Verb]
    assessment_types: frozenset[str]
    objective_types: frozenset[str]
    xapi_by_object: Kinds  # (what the object is, kind so far): kind
    caliper_actions: Kinds  # (type of event, action): kind
    caliper_by_object: Kinds  # (type of the thing worked on, kind so far): kind
    without_outcome: Mapping[str, str]  # kind so far: kind, where a Caliper event says of nothing how it went
    extensions: frozenset[str]

    @classmethod
    def load(cls, settings: Settings) -> Vocabulary:
        """The vocabulary in ``district_dir/verbs.yaml``, or the shipped one where the district has none.

        Raises CairnError where a table is not there, or a kind of evidence is not one of ``ACTIVITY_TYPES``.
        """
        path = settings.district_dir / "verbs.yaml"
        if not path.exists():
            path = REPOSITORY / "schemas" / "district" / "verbs.yaml"
        raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            return cls(
                verbs={iri: _verb(iri, meaning, str(path)) for iri, meaning in raw["xapi_verbs"].items()},
                assessment_types=frozenset(raw["assessment_activity_types"]),
                objective_types=frozenset(raw["objective_activity_types"]),
                xapi_by_object=_kinds(raw["xapi_by_object"], str(path)),
                caliper_actions=_kinds(raw["caliper_actions"], str(path)),
                caliper_by_object=_kinds(raw["caliper_by_object"], str(path)),
                without_outcome={
                    kind: _checked(other, f"caliper_without_outcome.{kind}", str(path))
                    for kind, other in raw["caliper_without_outcome"].items()
                },
                extensions=frozenset((*raw["extensions"], HISTORY)),
            )
        except KeyError as missing:
            raise CairnError(f"{path} lacks {missing.args[0]}: copy it from schemas/district/verbs.yaml") from None

    def of_xapi(self, verb: Verb, has_result: bool, object_type: str, activity_type: str | None) -> str:
        """Kind of evidence of a statement: by its verb, then by what its object is (objectType, type of activity)."""
        kind = verb.with_result if has_result else verb.activity_type
        if activity_type in self.assessment_types:
            kind = self.xapi_by_object.get(("assessment", kind), kind)
        return self.xapi_by_object.get((object_type, kind), kind)

    def of_caliper(self, event_type: str, action: str, item_type: str | None, has_outcome: bool) -> str:
        """Kind of evidence of an event: by type and action, then by the thing worked on, then by having an outcome."""
        kind = self.caliper_actions.get((event_type, action), "engagement")
        if item_type is not None:
            kind = self.caliper_by_object.get((item_type, kind), kind)
        return kind if has_outcome else self.without_outcome.get(kind, kind)


def _kinds(table: Mapping[str, Mapping[str, str]], path: str) -> Kinds:
    return {
        (first, second): _checked(kind, f"{first}.{second}", path)
        for first, by_second in table.items()
        for second, kind in by_second.items()
    }


def _checked(kind: str, name: str, path: str) -> str:
    if kind not in ACTIVITY_TYPES:
        raise CairnError(f"{path}: {name} means {kind!r}, expected one of {', '.join(ACTIVITY_TYPES)}")
    return kind


def _verb(iri: str, meaning: str | dict[str, str], path: str) -> Verb:
    if isinstance(meaning, str):
        kind = _checked(meaning, iri, path)
        return Verb(kind, kind)
    return Verb(_checked(meaning["means"], iri, path), _checked(meaning["with_result"], iri, path))
