"""The district's rule and policy: the examples load, and a mistake is named by file and key."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from cairn.errors import CairnError
from cairn.mastery.config import config_from, evidence_from, load_config
from cairn.mastery.policy_versions import SharePolicy, policy_from
from cairn.settings import REPOSITORY, Settings

EXAMPLES = REPOSITORY / "schemas" / "district"
EVIDENCE: dict[str, Any] = yaml.safe_load((EXAMPLES / "evidence.yaml").read_text())
POLICY: dict[str, Any] = yaml.safe_load((EXAMPLES / "policy.yaml").read_text())


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copied = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place = copied
    for parent in parents:
        place = place[parent]
    place[last] = value
    return copied


def test_the_examples_load(settings: Settings) -> None:
    config = load_config(settings)
    assert config.in_force_now().policy == SharePolicy(), "the example is the default"
    assert config.fit.bounds.upper[2:4] == (0.3, 0.3)
    assert config.policy_version.startswith("share-")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spacing_hours", -1, "spacing_hours: -1"),
        ("hints", "ignore", "hints: "),
        ("spacing_hour", 3, "'spacing_hour' was unexpected"),
        ("model.default.guess", 1.5, r"model\.default\.guess: 1\.5"),
        ("model.bounds.slip", [0.3, 0.1], r"model\.bounds\.slip: 0\.3 is above 0\.1"),
        ("model.bounds.guess", [0, 0.3], r"model\.bounds\.guess\.0: 0 is less than the minimum of 1e-6"),
        ("model.bounds.prior", [0.01, 1], r"model\.bounds\.prior\.1: 1 is greater than the maximum"),
        ("activity_types", {"atempt": "counts"}, "activity_types"),
        ("model.rapid_guess.floor_ms", 20_000, r"model\.rapid_guess\.floor_ms: 20000 is above most_ms 10000"),
        ("model.rapid_guess.share_of_mean_time", 0, r"model\.rapid_guess\.share_of_mean_time: 0"),
    ],
)
def test_mistakes_in_the_rule_are_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(CairnError, match=message) as error:
        evidence_from(changed(EVIDENCE, path, value), "here/evidence.yaml")
    assert str(error.value).startswith("here/evidence.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("policy", "vibes", "policy: "),
        ("policy", "threshold", "a threshold on P.known. decides no more"),
        ("review_due.share", 0.86, "review_due.share: 0.86 is above mastered.share 0.85"),
        ("mastered.floor", 0.9, "mastered.floor: 0.9 is above mastered.share 0.85"),
        ("lost.chance", 0.95, "lost.chance: 0.95 is above mastered.chance 0.9"),
        ("mastered.share", 85, r"mastered\.share: 85"),
        ("minimum_evidence.items", 0, r"minimum_evidence\.items: 0"),
        ("interval.level", 1.0, r"interval\.level: 1"),
    ],
)
def test_mistakes_in_the_policy_are_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(CairnError, match=message):
        policy_from(changed(POLICY, path, value))


def test_versions_change_with_what_decides_and_only_with_that() -> None:
    version = config_from(EVIDENCE, POLICY).policy_version
    assert config_from(EVIDENCE, changed(POLICY, "mastered.share", 0.9)).policy_version != version
    assert config_from(changed(EVIDENCE, "hints", "practice"), POLICY).policy_version != version
    assert config_from(changed(EVIDENCE, "model.minimum_responses", 7), POLICY).policy_version == version
