"""The policies that a district compares: ``known_policies.yaml``, checked against its JSON Schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError, UsageError
from cairn.mastery.policies.aleks import Points
from cairn.mastery.policies.rules import (
    Aleks,
    Canvas,
    CognitiveTutor,
    DurableShare,
    InARow,
    Khan,
    MOfN,
    Results,
    Rule,
    Threshold,
)
from cairn.mastery.schema_check import check
from cairn.settings import Settings

FILE_NAME = "known_policies.yaml"
CANVAS = "canvas_"


@dataclass(frozen=True)
class KnownPolicy:
    """A policy by name. description: whose it is, in a line; source: where the rule is published."""

    name: str
    kind: str
    description: str
    source: str
    rule: Rule


def load_policies(settings: Settings) -> list[KnownPolicy]:
    """The district's list, the repository's where it has none. Raises CairnError naming file and key."""
    path = district_path(settings, FILE_NAME)
    return policies_from(load_yaml_mapping(path), str(path))


def policies_from(raw: dict[str, Any], where: str = FILE_NAME) -> list[KnownPolicy]:
    """The policies from the keys of the file, ``where`` naming it in errors. Raises CairnError."""
    check(raw, "known_policies", where)
    twice = [name for name, times in Counter(one["name"] for one in raw["policies"]).items() if times > 1]
    if twice:
        raise CairnError(f"{where}: policies: {twice[0]} is there twice: give each a name of its own")
    return [_policy(one, f"{where}: policies.{place}.parameters") for place, one in enumerate(raw["policies"])]


def chosen(policies: Sequence[KnownPolicy], names: Sequence[str]) -> list[KnownPolicy]:
    """Those named, in the order of the list; all where none is. Raises UsageError for a name that is not there."""
    there = [one.name for one in policies]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(f"no policy {unknown[0]!r}: choose from {', '.join(there)}")
    return [one for one in policies if not names or one.name in names]


def _policy(raw: dict[str, Any], where: str) -> KnownPolicy:
    kind, parameters = raw["kind"], raw["parameters"]
    make = _canvas if kind.startswith(CANVAS) else MAKERS[kind]
    rule = make(kind, parameters, where)
    return KnownPolicy(raw["name"], kind, raw["description"], raw["source"], rule)


def _exact(number: float) -> Fraction:
    """A number of the file as it is written there: .8 is four fifths, not the binary float next to it."""
    return Fraction(str(number))


def _canvas(kind: str, raw: dict[str, Any], where: str) -> Rule:
    results = Results(_exact(raw["points_possible"]), _exact(raw["mastery_points"]), raw["result"] == "day")
    if results.mastery_points > results.points_possible:
        raise CairnError(f"{where}.mastery_points: above points_possible: nobody could reach it; lower it")
    return Canvas(kind.removeprefix(CANVAS), results, raw.get("weight_pct", raw.get("n", 0)))


def _m_of_n(_kind: str, raw: dict[str, Any], where: str) -> Rule:
    if raw["m"] > raw["n"]:
        raise CairnError(f"{where}.m: {raw['m']} right of {raw['n']} answers cannot be: lower it")
    return MOfN(raw["m"], raw["n"])


def _durable_share(_kind: str, raw: dict[str, Any], where: str) -> Rule:
    if raw["floor"] > raw["share"]:
        raise CairnError(f"{where}.floor: above share: who is at the share must be over the floor; lower it")
    return DurableShare(**raw)


MAKERS: dict[str, Callable[[str, dict[str, Any], str], Rule]] = {
    "threshold": lambda _kind, raw, _where: Threshold(_exact(raw["share"]), raw["minimum_answers"]),
    "in_a_row": lambda _kind, raw, _where: InARow(raw["n"]),
    "m_of_n": _m_of_n,
    "khan": lambda _kind, raw, _where: Khan(_exact(raw["familiar_from"])),
    "aleks": lambda _kind, raw, _where: Aleks(Points(**raw)),
    "durable_share": _durable_share,
    "cognitive_tutor": lambda _kind, raw, _where: CognitiveTutor(float(raw["known"])),
}
