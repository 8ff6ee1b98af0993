"""The district's evidence rule and mastery policies together: YAML, checked, with a version by content."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from cairn.calendar import DistrictCalendar
from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.evidence.times import microseconds
from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.policy_versions import (
    ALL_SUBJECTS,
    PolicyVersion,
    policies_from,
    subject_key,
    version_of_all,
)
from cairn.mastery.schema_check import check
from cairn.settings import Settings

# Four of five points are .8, whatever a division makes of them.
ROUNDING = 1e-12
PARAMETER_NAMES = ("prior", "learn", "guess", "slip", "forget")


@dataclass(frozen=True)
class EvidenceRule:
    """What counts as evidence (``evidence.yaml`` says what each part means)."""

    counted_types: frozenset[str]
    total_types: frozenset[str]
    practice_types: frozenset[str]
    spacing_seconds: float
    are_hints_incorrect: bool
    success_share: float
    rapid_guess_ms: int
    rapid_guess_ms_by_item: dict[str, int] = field(default_factory=dict)

    @property
    def right_from(self) -> float:
        """From this share on an outcome reads as right where only right or wrong will do: success_share, rounded off.

        The one binary reading: of the pattern of the last five, of streaks, of wrong answers since mastery, of counts.
        """
        return self.success_share - ROUNDING


@dataclass(frozen=True)
class RapidFit:
    """How items get limits of their own for rapid guesses (:mod:`cairn.mastery.rapid`), milliseconds."""

    share_of_mean_time: float
    floor_ms: int
    most_ms: int
    minimum_answers: int


@dataclass(frozen=True)
class FitRule:
    """From how much counted evidence on the district gets a share model of its own.

    rapid: how limits of items' own are fitted with it; None where no item is to have one.
    default and bounds are of Bayesian Knowledge Tracing, which is fitted to be compared with.
    """

    minimum_responses: int
    minimum_pupils: int
    rapid: RapidFit | None
    default: Parameters
    bounds: Bounds


@dataclass(frozen=True)
class MasteryConfig:
    """Rule, fit and policies. ``policy_version`` changes with any part of the rule, any policy, its subject or date."""

    evidence: EvidenceRule
    fit: FitRule
    policies: tuple[PolicyVersion, ...]
    policy_version: str

    @property
    def interval_level(self) -> float:
        """The level of every interval that is shown: one for the file, so that pages can set pupils side by side."""
        return self.policies[0].policy.interval_level

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects with versions of their own, sorted."""
        return tuple(sorted({one.subject for one in self.policies} - {ALL_SUBJECTS}))

    def timeline(self, subject: str | None) -> tuple[PolicyVersion, ...]:
        """The versions of a subject in the order in which they come into force, the first of them from the beginning.

        A subject's own versions win over those of all subjects: from the date of the first of them on.
        """
        key = subject_key(subject)
        ours, everybody = (
            sorted((one for one in self.policies if one.subject == which), key=lambda one: one.begins_us)
            for which in (key, ALL_SUBJECTS)
        )
        if key == ALL_SUBJECTS or not ours:
            return tuple(everybody)
        return (*(one for one in everybody if one.begins_us < ours[0].begins_us), *ours)

    def in_force(self, at_us: int, subject: str | None = ALL_SUBJECTS) -> PolicyVersion:
        """The version of a subject that is in force at an instant (microseconds since 1970 UTC)."""
        return [one for one in self.timeline(subject) if one.begins_us <= at_us][-1]

    def in_force_now(self, subject: str | None = ALL_SUBJECTS) -> PolicyVersion:
        """The version of a subject that is in force as this is asked: what is evaluated is what holds today."""
        return self.in_force(microseconds(datetime.now(UTC)), subject)


def evidence_from(raw: dict[str, Any], where: str = "evidence.yaml") -> tuple[EvidenceRule, FitRule]:
    """Rule and fit from the keys of evidence.yaml; ``where`` names the file in errors. Raises CairnError."""
    check(raw, "evidence", where)
    for name, (low, high) in raw["model"]["bounds"].items():
        if low > high:
            raise CairnError(f"{where}: model.bounds.{name}: {low} is above {high}: write the lower bound first")
    types = raw["activity_types"]
    rule = EvidenceRule(
        counted_types=frozenset(name for name, use in types.items() if use == "counts"),
        total_types=frozenset(name for name, use in types.items() if use == "total"),
        practice_types=frozenset(name for name, use in types.items() if use == "practice"),
        spacing_seconds=float(raw["spacing_hours"]) * 3600.0,
        are_hints_incorrect=raw["hints"] == "incorrect",
        success_share=float(raw["success_share"]),
        rapid_guess_ms=int(raw["rapid_guess_ms"]),
        rapid_guess_ms_by_item=dict(raw.get("rapid_guess_ms_by_item") or {}),
    )
    model = raw["model"]
    bounds = model["bounds"]
    fit = FitRule(
        minimum_responses=model["minimum_responses"],
        minimum_pupils=model["minimum_pupils"],
        rapid=_rapid_fit(model.get("rapid_guess"), where),
        default=Parameters(**model["default"]),
        bounds=Bounds(
            tuple(float(bounds[name][0]) for name in PARAMETER_NAMES),
            tuple(float(bounds[name][1]) for name in PARAMETER_NAMES),
        ),
    )
    return rule, fit


def _rapid_fit(raw: dict[str, Any] | None, where: str) -> RapidFit | None:
    """The rule of model.rapid_guess, None where it is left out. Raises CairnError where the floor is over the top."""
    if raw is None:
        return None
    rule = RapidFit(float(raw["share_of_mean_time"]), raw["floor_ms"], raw["most_ms"], raw["minimum_answers"])
    if rule.floor_ms > rule.most_ms:
        key = f"{where}: model.rapid_guess.floor_ms: {rule.floor_ms}"
        raise CairnError(f"{key} is above most_ms {rule.most_ms}: write the lower one first")
    return rule


def config_from(
    evidence: dict[str, Any],
    policy: dict[str, Any],
    evidence_where: str = "evidence.yaml",
    policy_where: str = "policy.yaml",
    zone: tzinfo = UTC,
) -> MasteryConfig:
    """The whole configuration from the keys of both files, which errors name; dates are of ``zone``.

    Raises CairnError.
    """
    rule, fit = evidence_from(evidence, evidence_where)
    policies = policies_from(policy, evidence, policy_where, zone)
    return MasteryConfig(rule, fit, policies, version_of_all(policies))


def load_config(settings: Settings) -> MasteryConfig:
    """The district's configuration, the repository's example where it has none. Raises CairnError with file and key."""
    evidence, policy = (district_path(settings, name) for name in ("evidence.yaml", "policy.yaml"))
    raw = load_yaml_mapping(policy)
    # A night ends where the calendar's day does, and so does a policy.
    zone = DistrictCalendar.load(settings).zone if "versions" in raw else UTC
    return config_from(load_yaml_mapping(evidence), raw, str(evidence), str(policy), zone)
