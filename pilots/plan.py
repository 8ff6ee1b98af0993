"""The plan of a pilot: what is tried where, how it will be judged, and the hash that freezes the judging.

A plan is YAML of the form ``schemas/pilots/plan.schema.json``. Its analysis part is frozen by hash before outcomes are
seen; its implementation part may change each cycle (small changes are the method).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.grades import grade_key
from pilots.known import Known
from pilots.plan_form import form_problems
from pilots.plan_rules import Found, closes_on, rule_problems, subject_of
from pilots.plan_yaml import line_of, read_yaml


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a plan: where, what, and what to do. A warning only limits what the pilot can tell."""

    path: str
    line: int
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {'warning: ' if self.is_warning else ''}{self.message}"


@dataclass(frozen=True)
class Window:
    """An assessment window: its name and the first and last day on which a test counts."""

    name: str
    opens_on: date
    closes_on: date


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

    @property
    def starts_on(self) -> date:
        """First day of the change."""
        return date.fromisoformat(self.implementation["starts_on"])

    @property
    def dosage(self) -> Mapping[str, Any]:
        """The rule by which work in the event stream is the pilot's (``int_pilot_dosage``); empty where files count."""
        part: Mapping[str, Any] = self.implementation.get("dosage", {})
        return part

    @cached_property
    def proficient_from(self) -> dict[str, float]:
        """Grade, as it is compared, to the outcome score from which a pupil is proficient; empty where none is said."""
        return {grade_key(grade): float(score) for grade, score in self.analysis.get("proficient_from", {}).items()}

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
    def wave_starts(self) -> tuple[date, ...]:
        """First day of each wave's work, wave 1 first; empty where the plan does not say."""
        return tuple(date.fromisoformat(day) for day in self.analysis.get("wave_starts", ()))

    @property
    def windows(self) -> tuple[Window, ...]:
        """Assessment windows in order: the baseline's, those between that the plan names, the outcome's."""
        parts = (self.analysis["baseline"], *self.analysis.get("between", ()), self.analysis["outcome"])
        return tuple(Window(str(one["window"]), date.fromisoformat(one["from_date"]), closes_on(one)) for one in parts)

    @property
    def is_random(self) -> bool:
        """Whether schools were assigned at random."""
        return bool(self.analysis["assignment"]["method"] == "random")

    @property
    def subject(self) -> str | None:
        """Subject of the outcome as its results name it; None in plans from before they had to say."""
        return subject_of(self.analysis, "outcome")

    @property
    def grades(self) -> tuple[str, ...]:
        """Grades whose pupils are assigned, as they are compared (5 for 05), in the plan's order; empty: all."""
        return tuple(grade_key(grade) for grade in self.analysis.get("grades", ()))

    @property
    def is_lower_better(self) -> bool:
        """Whether the measure is to fall, as days absent are."""
        return bool(self.raw["hypothesis"].get("direction") == "fall")

    @property
    def direction(self) -> str:
        """Which way the measure is to move: rise or fall."""
        return "fall" if self.is_lower_better else "rise"

    @property
    def decides_by(self) -> str | None:
        """The prior that decides; None where the more sceptical of the two does."""
        named = self.analysis.get("deciding_prior")
        return None if named is None else str(named["prior"])

    @property
    def why_decides_by(self) -> str | None:
        """Why it does; None where the plan names none."""
        named = self.analysis.get("deciding_prior")
        return None if named is None else str(named["because"])

    @property
    def subgroups(self) -> tuple[str, ...]:
        """What pupils are told apart by: grade, start; empty where no subgroups were planned."""
        return tuple(self.analysis.get("subgroups", ()))

    @property
    def score_type(self) -> str:
        """What is averaged."""
        return str(self.analysis.get("score_type", "scale"))

    @property
    def pretest_reliability(self) -> float | None:
        """Reliability of the baseline score as its maker publishes it; None where the plan does not say."""
        said = self.analysis["baseline"].get("reliability")
        return None if said is None else float(said)

    @property
    def outcome_opens_on(self) -> date:
        """First day of the outcome window: no test before it counts."""
        return date.fromisoformat(self.analysis["outcome"]["from_date"])

    @property
    def outcome_closes_on(self) -> date:
        """Last day on which an outcome counts, make-ups included."""
        return closes_on(self.analysis["outcome"])

    def is_late(self, frozen_at: datetime) -> bool:
        """Whether the analysis was frozen when outcomes could be seen already: on a day from the window's first on."""
        return frozen_at.date() >= self.outcome_opens_on

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
        """SHA-256 of the canonical analysis part.

        The order of schools within an arm or block, and order and spelling of grades, do not matter. A measure that is
        to fall is another analysis than one that is to rise.
        """
        text = json.dumps(self._compared(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _compared(self) -> dict[str, Any]:
        """The analysis part as it is hashed."""
        analysis: dict[str, Any] = json.loads(json.dumps(self.analysis))
        analysis["arms"] = {arm: sorted(schools) for arm, schools in analysis["arms"].items()}
        if blocks := analysis["assignment"].get("blocks"):
            analysis["assignment"]["blocks"] = sorted(sorted(block) for block in blocks)
        if "grades" in analysis:
            analysis["grades"] = sorted(self.grades)
        if self.is_lower_better:
            # It turns every sign of the analysis, so it is frozen with it.
            analysis["direction"] = "fall"
        return analysis

    def frozen_keys_that_differ(self, other: Plan) -> list[str]:
        """Dotted keys in which what is frozen differs: the analysis, and the sentence that it is to answer."""
        return [
            *differing_keys(self._compared(), other._compared()),
            *differing_keys(dict(self.raw["hypothesis"]), dict(other.raw["hypothesis"]), "hypothesis"),
        ]


def differing_keys(one: object, other: object, at: str = "analysis") -> list[str]:
    """Dotted keys in which two parts of plans differ, each begun with ``at``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in sorted(one.keys() | other.keys())
            for found in differing_keys(one.get(key), other.get(key), f"{at}.{key}")
        ]
    return [] if one == other else [at.removeprefix(".")]


def load_plan(path: Path, known: Known | Collection[str] | None = None) -> Plan:
    """The plan in a file. Raises CairnError that names every problem, each with file and line, on one line."""
    plan, problems = check_plan(path, known)
    if plan is None:
        raise CairnError("; ".join(str(problem) for problem in problems if not problem.is_warning))
    return plan


def check_plan(path: Path, known: Known | Collection[str] | None = None) -> tuple[Plan | None, list[Problem]]:
    """The plan (None where something is wrong with it) and its problems and warnings, by line.

    ``known`` is what the lake knows (``registry.known``), or only the ids of the roster's schools; what it does not
    hold is not checked. Raises CairnError where the file is not YAML at all, or says a key twice.
    """
    if not isinstance(known, Known):
        known = Known(schools=frozenset(known or ()))
    raw, lines = read_yaml(path)
    found = [Found(at, message) for at, message in form_problems(raw)] or rule_problems(raw, known)
    problems = [Problem(str(path), line_of(one.at, lines), one.message, one.is_warning) for one in found]
    problems.sort(key=lambda problem: problem.line)
    return (Plan(raw) if all(problem.is_warning for problem in problems) else None), problems
