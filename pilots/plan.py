"""The plan of a pilot: what is tried where, how it will be judged, and the hash that freezes the judging.

A plan is YAML of the form ``schemas/pilots/plan.schema.json``. Its analysis part is frozen by hash before outcomes are
seen; its implementation part may change each cycle (small changes are the method).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from cairn.errors import CairnError
from cairn.settings import REPOSITORY
from pilots.plan_yaml import KeyPath, line_of, read_yaml

SCHEMA_PATH = REPOSITORY / "schemas" / "pilots" / "plan.schema.json"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a plan: where, what, and what to do."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Plan:
    """A checked plan; ``raw`` is the whole of it as read."""

    raw: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """A plan as it was frozen (``gold.pilot_plan.plan_json``)."""
        return cls(json.loads(text))

    @property
    def pilot_id(self) -> str:
        """Identifier of the pilot."""
        return str(self.raw["pilot_id"])

    @property
    def title(self) -> str:
        """Title, as printed."""
        return str(self.raw["title"])

    @property
    def analysis(self) -> Mapping[str, Any]:
        """The part that is frozen."""
        part: Mapping[str, Any] = self.raw["analysis"]
        return part

    @property
    def implementation(self) -> Mapping[str, Any]:
        """The part that may change each cycle."""
        part: Mapping[str, Any] = self.raw["implementation"]
        return part

    @cached_property
    def arms(self) -> dict[str, str]:
        """School to arm, as assigned."""
        arms = self.analysis["arms"]
        return {school: arm for arm in ("treatment", "comparison") for school in arms[arm]}

    @property
    def waves(self) -> dict[str, int]:
        """School to wave, from 1."""
        named = self.analysis.get("waves", {})
        return {school: int(named.get(school, 1)) for school in self.arms}

    @property
    def is_random(self) -> bool:
        """Whether schools were assigned at random."""
        return bool(self.analysis["assignment"]["method"] == "random")

    @property
    def smallest_effect(self) -> float:
        """The smallest effect that matters, in standard deviations."""
        return float(self.analysis["smallest_effect_that_matters_sd"])

    @property
    def hypothesis(self) -> str:
        """The hypothesis as one sentence."""
        part = self.raw["hypothesis"]
        return (
            f"If we {part['change']} for {part['who']}, then {part['measure']} will {part['direction']} "
            f"{part['amount']} by {part['by']}, because {part['because']}."
        )

    @property
    def canonical(self) -> str:
        """The whole plan as canonical JSON: keys sorted, no blanks."""
        return json.dumps(self.raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 of the canonical analysis part; the order of schools within an arm or block does not matter."""
        analysis = json.loads(json.dumps(self.analysis))
        analysis["arms"] = {arm: sorted(schools) for arm, schools in analysis["arms"].items()}
        if blocks := analysis["assignment"].get("blocks"):
            analysis["assignment"]["blocks"] = sorted(sorted(block) for block in blocks)
        text = json.dumps(analysis, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def differing_keys(one: object, other: object, at: str = "analysis") -> list[str]:
    """Dotted keys in which two analysis parts differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in sorted(one.keys() | other.keys())
            for found in differing_keys(one.get(key), other.get(key), f"{at}.{key}")
        ]
    return [] if one == other else [at]


def load_plan(path: Path, known_schools: Collection[str] | None = None) -> Plan:
    """The plan in a file. Raises CairnError that names every problem, each with file and line, on one line."""
    plan, problems = check_plan(path, known_schools)
    if problems or plan is None:
        raise CairnError("; ".join(str(problem) for problem in problems))
    return plan


def check_plan(path: Path, known_schools: Collection[str] | None = None) -> tuple[Plan | None, list[Problem]]:
    """The plan (None where it has problems) and what is wrong with it.

    ``known_schools`` are the ids of the roster; None leaves them unchecked. Raises CairnError where the file is not
    YAML at all.
    """
    raw, lines = read_yaml(path)
    found = _schema_problems(raw)
    if not found:
        found = _rule_problems(raw, known_schools)
    problems = [Problem(str(path), line_of(at, lines), message) for at, message in found]
    problems.sort(key=lambda problem: problem.line)
    return (None if problems else Plan(raw)), problems


@lru_cache(maxsize=1)
def _validator() -> Any:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()), validate_formats=True)


def _schema_problems(raw: object) -> list[tuple[KeyPath, str]]:
    if not isinstance(raw, dict):
        return [((), "a plan must be a mapping; see schemas/pilots/plan.schema.json")]
    found: list[tuple[KeyPath, str]] = []
    for error in _validator().iter_errors(raw):
        at: KeyPath = tuple(error.instance_path)
        name = ".".join(str(part) for part in at) or "plan"
        found.append((at, f"{name}: {error.message}{_suggestion(raw, at, error.message)}"))
    return found


def _suggestion(raw: object, at: KeyPath, message: str) -> str:
    """For a key that is not known: the nearest one that is."""
    if "dditional properties" not in message:
        return ""
    schema: Any = json.loads(SCHEMA_PATH.read_text())
    for part in at:
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
        if "$ref" in schema:
            schema = json.loads(SCHEMA_PATH.read_text())["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    value: Any = raw
    for part in at:
        value = value[part]
    known = list(schema.get("properties", {}))
    hints = []
    for key in sorted(set(value) - set(known)):
        near = difflib.get_close_matches(str(key), known, n=1)
        hints.append(f"did you mean {near[0]!r} for {key!r}?" if near else f"known keys are {', '.join(known)}")
    return "; " + " ".join(hints) if hints else ""


def _rule_problems(raw: dict[str, Any], known_schools: Collection[str] | None) -> list[tuple[KeyPath, str]]:
    """What the form cannot say: schools that exist, arms apart, dates in order, a draw that can be repeated."""
    found = [*_school_problems(raw["analysis"], known_schools), *_assignment_problems(raw["analysis"])]
    found += _date_problems(raw)
    if raw["analysis"]["outcome"].get("is_made_by_the_tool"):
        found.append(
            (
                ("analysis", "outcome", "is_made_by_the_tool"),
                "the primary outcome must not be made by the tool itself: name an assessment that both arms take",
            )
        )
    return found


def _school_problems(analysis: dict[str, Any], known_schools: Collection[str] | None) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    treatment = set(analysis["arms"]["treatment"])
    for arm, schools in analysis["arms"].items():
        for index, school in enumerate(schools):
            at = ("analysis", "arms", arm, index)
            if known_schools is not None and school not in known_schools:
                near = difflib.get_close_matches(school, list(known_schools), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "load the roster first, or mend the id"
                found.append((at, f"no school {school!r} in the roster; {hint}"))
            if arm == "comparison" and school in treatment:
                found.append((at, f"school {school!r} is in both arms; a school has one"))
    arms = {school for schools in analysis["arms"].values() for school in schools}
    for school in analysis.get("waves", {}):
        if school not in arms:
            found.append((("analysis", "waves", school), f"school {school!r} has a wave and no arm"))
    return found


def _assignment_problems(analysis: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    assignment = analysis["assignment"]
    at: KeyPath = ("analysis", "assignment")
    if assignment["method"] == "random" and "seed" not in assignment:
        found.append((at, "a random assignment needs the seed of the draw, so that anybody can repeat it"))
    if blocks := assignment.get("blocks"):
        arms = sorted(school for schools in analysis["arms"].values() for school in schools)
        inside = sorted(school for block in blocks for school in block)
        if inside != arms:
            odd = ", ".join(sorted(set(inside) ^ set(arms))) or "some twice"
            message = f"the blocks must hold each school of both arms exactly once (look at {odd})"
            found.append(((*at, "blocks"), message))
    return found


def _date_problems(raw: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    analysis, practice = raw["analysis"], raw["implementation"]
    found: list[tuple[KeyPath, str]] = []

    def order(earlier: str, later: str, at: KeyPath, message: str, strict: bool = False) -> None:
        if earlier > later or (strict and earlier == later):
            found.append((at, f"{message} ({later} is not after {earlier})"))

    baseline, outcome = analysis["baseline"], analysis["outcome"]
    for name, window in (("baseline", baseline), ("outcome", outcome)):
        order(
            window["from_date"], window["to_date"], ("analysis", name, "to_date"), f"the {name} window ends too early"
        )
    order(
        baseline["to_date"],
        outcome["from_date"],
        ("analysis", "outcome", "from_date"),
        "the outcome window must lie after the baseline window",
        strict=True,
    )
    order(practice["starts_on"], practice["ends_on"], ("implementation", "ends_on"), "the pilot ends before it starts")
    order(
        practice["starts_on"],
        outcome["from_date"],
        ("analysis", "outcome", "from_date"),
        "the outcome must be measured after the pilot starts",
        strict=True,
    )
    if assigned := analysis["assignment"].get("assigned_on"):
        order(
            assigned,
            practice["starts_on"],
            ("analysis", "assignment", "assigned_on"),
            "schools must be assigned before the pilot starts",
        )
    for index, milestone in enumerate(practice["milestones"]):
        order(
            milestone["due_date"],
            outcome["to_date"],
            ("implementation", "milestones", index),
            "a milestone must be due before the outcome window ends",
        )
    if baseline["measure"] != outcome["measure"]:
        found.append((("analysis", "outcome", "measure"), "baseline and outcome must be the same measure"))
    return found
