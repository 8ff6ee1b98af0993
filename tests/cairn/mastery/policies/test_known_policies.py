"""The district's list of policies loads, and a mistake in it is named by file and key."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from cairn.errors import CairnError, UsageError
from cairn.mastery.config import load_config
from cairn.mastery.policies.known import MAKERS, chosen, load_policies, policies_from
from cairn.mastery.policies.rules import DurableShare
from cairn.settings import REPOSITORY, Settings

RAW: dict[str, Any] = yaml.safe_load((REPOSITORY / "schemas" / "district" / "known_policies.yaml").read_text())
CANVAS_KINDS = {
    f"canvas_{one}"
    for one in ("decaying_average", "standard_decaying_average", "n_mastery", "latest", "highest", "average")
}


def test_the_list_loads_and_has_every_kind(settings: Settings) -> None:
    policies = load_policies(settings)
    assert {one.kind for one in policies} == CANVAS_KINDS | set(MAKERS)
    words = {one.name: one.rule.in_words() for one in policies}
    assert "at least 80 %" in words["threshold_80"]
    assert "weighs 65 %, the mean of the older ones 35 %" in words["canvas_decaying_average"]
    assert "3 right in a row" in words["three_in_a_row"]
    assert "at least 85 %, and 75 % or more with a chance of 90 %; from 4 answers on 3 different" in words["cairn"]
    assert "chance" not in words["cairn_not_asked_how_sure"]


def test_cairns_own_is_what_policy_yaml_asks_for_at_first(settings: Settings) -> None:
    [own] = [one.rule for one in load_policies(settings) if one.name == "cairn"]
    policy = load_config(settings).in_force_now().policy
    asked = DurableShare(
        policy.bar, policy.floor, policy.chance, policy.minimum.attempts, policy.minimum.items, policy.minimum.days
    )
    assert own == asked


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("three_in_a_row", "n", 0, r"policies\.1\.parameters\.n: 0 is less than"),
        ("three_in_a_row", "m", 2, r"policies\.1\.parameters: .*'m' was unexpected"),
        ("threshold_80", "share", 80, r"policies\.0\.parameters\.share: 80 is greater than"),
        ("canvas_latest", "result", "week", r"policies\.5\.parameters\.result: "),
        ("canvas_latest", "mastery_points", 6, r"policies\.5\.parameters\.mastery_points: above points_possible"),
        ("canvas_standard_decaying_average", "weight_pct", 40, r"policies\.3\.parameters\.weight_pct: 40 is less"),
        ("kolibri_m_of_n", "m", 8, r"policies\.11\.parameters\.m: 8 right of 7"),
        ("cognitive_tutor", "known", 1, r"policies\.10\.parameters\.known: 1"),
        ("cairn", "floor", 0.9, r"policies\.12\.parameters\.floor: above share"),
        ("cairn", "days", 0, r"policies\.12\.parameters\.days: 0 is less than"),
    ],
)
def test_mistakes_are_named(name: str, key: str, value: Any, message: str) -> None:
    raw = copy.deepcopy(RAW)
    [one] = [one for one in raw["policies"] if one["name"] == name]
    one["parameters"][key] = value
    with pytest.raises(CairnError, match=message) as error:
        policies_from(raw, "here/known_policies.yaml")
    assert str(error.value).startswith("here/known_policies.yaml: ")


def test_kinds_and_names_are_checked() -> None:
    raw = copy.deepcopy(RAW)
    raw["policies"][0]["kind"] = "vibes"
    with pytest.raises(CairnError, match=r"policies\.0\.kind: "):
        policies_from(raw)
    raw = copy.deepcopy(RAW)
    raw["policies"][1]["name"] = "threshold_80"
    with pytest.raises(CairnError, match="threshold_80 is there twice"):
        policies_from(raw)


def test_policies_are_chosen_by_name() -> None:
    policies = policies_from(RAW)
    assert chosen(policies, []) == policies
    assert [one.name for one in chosen(policies, ["khan", "threshold_80"])] == ["threshold_80", "khan"]
    with pytest.raises(UsageError, match="no policy 'cahn': choose from threshold_80, three_in_a_row"):
        chosen(policies, ["cahn"])
