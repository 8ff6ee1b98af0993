"""The district's evidence rule and mastery policy: YAML, checked against its JSON Schema, with versions by content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cairn.district import EXAMPLES, district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.settings import Settings

# Goes up when the same files come to mean something else: then the next night restates every pair.
# 2: attempts without an item count once a day; a review that goes wrong is not mastered.
# 3: mastery asks for different items and days; a total does not count beside the answers that it sums up; opportunities
#    without three right in a row are counted anew after a streak.
# 4: the durable share decides, in place of P(known).
# 5: partial credit counts as the share that it is.
RULES_REVISION = 5
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
class EvidenceMinimum:
    """What "mastered" needs at least: counted attempts, on different items, over different days."""

    attempts: int = 4
    items: int = 3
    days: int = 2


@dataclass(frozen=True)
class SharePolicy:
    """When a pupil counts as having mastered a competency (``policy.yaml`` says what each part means).

    Shares and chances between 0 and 1; widest: of an interval that still says something.
    """

    bar: float = 0.85
    floor: float = 0.75
    chance: float = 0.90
    lost_chance: float = 0.50
    wrong_to_lose: int = 2
    review_share: float = 0.80
    widest: float = 0.50
    interval_level: float = 0.90
    minimum: EvidenceMinimum = EvidenceMinimum()


@dataclass(frozen=True)
class MasteryConfig:
    """Rule, fit and policy; ``policy_version`` changes with any part of the rule or the policy."""

    evidence: EvidenceRule
    fit: FitRule
    policy: SharePolicy
    policy_version: str


def short_hash(content: Any) -> str:
    """The first 8 hex digits of the SHA-256 of the content as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


@cache
def _validator(name: str) -> Any:
    import jsonschema_rs

    schema = json.loads((EXAMPLES / "json_schema" / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema)


def check(raw: dict[str, Any], name: str, where: str) -> None:
    """Check a mapping against schema ``name``. Raises CairnError naming the file and the first key that breaks it."""
    for error in _validator(name).iter_errors(raw):
        key = ".".join(str(part) for part in error.instance_path) or "top"
        raise CairnError(f"{where}: {key}: {error.message}: correct it (schemas/district/json_schema/{name}.json)")


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


def policy_from(raw: dict[str, Any], where: str = "policy.yaml") -> SharePolicy:
    """The policy from the keys of policy.yaml; ``where`` names the file in errors. Raises CairnError."""
    if raw.get("policy") == "threshold":
        raise CairnError(
            f"{where}: policy: a threshold on P(known) decides no more, the durable share does: start again from the"
            " example in schemas/district/policy.yaml (policy: share)"
        )
    check(raw, "policy", where)
    mastered, lost, review = raw["mastered"], raw["lost"], raw["review_due"]["share"]
    for name, lower, key, upper in (
        ("review_due.share", review, "mastered.share", mastered["share"]),
        ("mastered.floor", mastered["floor"], "mastered.share", mastered["share"]),
        ("lost.chance", lost["chance"], "mastered.chance", mastered["chance"]),
    ):
        if lower > upper:
            raise CairnError(f"{where}: {name}: {lower} is above {key} {upper}: a state would flicker; lower it")
    return SharePolicy(
        bar=float(mastered["share"]),
        floor=float(mastered["floor"]),
        chance=float(mastered["chance"]),
        lost_chance=float(lost["chance"]),
        wrong_to_lose=lost["wrong_answers"],
        review_share=float(review),
        widest=float(raw["interval"]["widest"]),
        interval_level=float(raw["interval"]["level"]),
        minimum=EvidenceMinimum(**raw["minimum_evidence"]),
    )


def config_from(evidence: dict[str, Any], policy: dict[str, Any]) -> MasteryConfig:
    """The whole configuration from the keys of both files. Raises CairnError."""
    rule, fit = evidence_from(evidence)
    said = {"evidence": {k: v for k, v in evidence.items() if k != "model"}, "policy": policy}
    version = short_hash({**said, "rules": RULES_REVISION})
    return MasteryConfig(rule, fit, policy_from(policy), f"{policy['policy']}-{version}")


def load_config(settings: Settings) -> MasteryConfig:
    """The district's configuration, the repository's example where it has none. Raises CairnError with file and key."""
    evidence_path = district_path(settings, "evidence.yaml")
    policy_path = district_path(settings, "policy.yaml")
    evidence, policy = load_yaml_mapping(evidence_path), load_yaml_mapping(policy_path)
    evidence_from(evidence, str(evidence_path))
    policy_from(policy, str(policy_path))
    return config_from(evidence, policy)
