"""A measure that is to fall is judged as its mirror image; and the prior that decides is the one the plan names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilots.evaluate import evaluate
from pilots.plan import Plan
from tests.pilots.made_districts import AFTER, BEFORE, NO_MARTS, made_plan, made_pupils, names

SCORES = ["baseline_score", "outcome_score"]
MOST = 500.0


def card(plan: Plan, pupils: pd.DataFrame, day: str = AFTER) -> dict[str, Any]:
    """The card, sound JSON."""
    found = evaluate(plan, pupils, *NO_MARTS, "learning-1", day)
    json.dumps(found, allow_nan=False)
    return found


def falling(plan: Plan, **analysis: Any) -> Plan:
    """The same plan of a measure that is to fall."""
    raw = json.loads(plan.canonical)
    raw["hypothesis"]["direction"] = "fall"
    raw["analysis"] |= analysis
    return Plan(raw)


def mirrored(pupils: pd.DataFrame) -> pd.DataFrame:
    """What the same pupils score where fewer points are better."""
    return pupils.assign(**{name: MOST - pupils[name] for name in SCORES})


# Decision: schools an arm, effect, distance at the start, at random, day.
CASES: Mapping[str, tuple[int, float, float, bool, str]] = {
    "SCALE": (20, 0.5, 0.0, True, AFTER),
    "STOP": (20, -0.1, 0.0, True, AFTER),
    "HARM": (20, -0.6, 0.0, True, AFTER),
    "CANNOT TELL": (3, 0.5, 0.0, True, AFTER),
    "INVALID": (10, 0.3, 0.8, False, AFTER),
    "TOO EARLY": (10, 0.3, 0.0, True, BEFORE),
}


@pytest.mark.parametrize("said", CASES)
def test_a_fall_is_judged_as_the_rise_it_mirrors(said: str) -> None:
    """Estimate, interval, chances, p, rating and decision are the mirrored measure's; points are the measure's own."""
    schools, effect, apart, is_random, day = CASES[said]
    cuts = {"proficient_from": {"3": 205.0, "4": 205.0, "5": 205.0}}
    up = made_plan(names(schools, "t"), names(schools, "c"), is_random=is_random, **cuts)
    pupils = made_pupils(np.random.default_rng(8), up, effect=effect, apart=apart)
    down = falling(up, proficient_from={"3": MOST - 205, "4": MOST - 205, "5": MOST - 205})
    rise, fall = card(up, pupils, day), card(down, mirrored(pupils), day)
    assert (rise["recommendation"], fall["recommendation"]) == (said, said)
    assert fall["rating"] == rise["rating"]
    by_name = {one["name"]: one for one in rise["estimates"]}
    assert [one["name"] for one in fall["estimates"]] == list(by_name)
    for one in fall["estimates"]:
        other = by_name[one["name"]]
        if other["value"] is None:  # of the empty rollout
            assert one["value"] is None
            continue
        sign = -1 if one["name"] == "difference" else 1
        assert one["value"] == pytest.approx(sign * other["value"], abs=1e-9)
        if one["low"] is not None:
            bounds = sorted(sign * other[end] for end in ("low", "high"))
            assert [one["low"], one["high"]] == pytest.approx(bounds, abs=1e-9)
    for name in ("p_value", "df", "smallest_p"):
        assert fall["how_sure"][name] == pytest.approx(rise["how_sure"][name], abs=1e-9), name
    for name in ("sensitivity", "adjustments"):
        assert fall["how_sure"][name] == rise["how_sure"][name], name
    chances = [[one["probability"] for one in found["how_sure"]["statements"]] for found in (rise, fall)]
    assert chances[0] == chances[1]
    assert fall["cost"]["additional_proficient"] == rise["cost"]["additional_proficient"]
    for one, other in zip(fall["schools"], rise["schools"], strict=True):
        for name in ("mean_baseline", "mean_outcome"):
            assert (one[name] is None) == (other[name] is None)
            if one[name] is not None:
                assert one[name] == pytest.approx(MOST - other[name]), "a school's mean is the measure's own"
    told = json.dumps([fall["why"], fall["recommendation_text"], fall["how_sure"]["statements"]])
    assert "gain" not in told, "nobody gains what is to fall"


def test_a_fall_that_was_not_meant_to_be_is_harm() -> None:
    """The same scores, once to rise and once to fall: what is good news for one is bad for the other."""
    plan = made_plan(names(20, "t"), names(20, "c"))
    pupils = made_pupils(np.random.default_rng(8), plan, effect=-0.6)
    assert card(plan, pupils)["recommendation"] == "HARM"
    good = card(falling(plan), pupils)
    assert good["recommendation"] == "SCALE"
    assert good["how_sure"]["statements"][0]["sentence"].startswith("Very confident that the measure fell at all")
    effect, points = good["estimates"][:2]
    assert effect["value"] > 0 > points["value"]
    assert points["unit"] == "points, less is better"


def test_the_prior_that_decides_is_the_plan_s_where_it_says_why() -> None:
    """The trials' prior is the more sceptical of a large effect: without it the same pilot goes further."""
    plan = made_plan(names(8, "t"), names(8, "c"))
    pupils = made_pupils(np.random.default_rng(3), plan, effect=0.30, school_sd=0.35)
    both = card(plan, pupils)
    because = "three districts like ours tried the same change with gains of .3 SD"
    raw = json.loads(plan.canonical)
    named = {}
    for prior in ("plan", "evidence"):
        raw["analysis"]["deciding_prior"] = {"prior": prior, "because": because}
        named[prior] = card(Plan(raw), pupils)
    chances = both["how_sure"]["statements"][0]["by_prior"]
    assert chances["plan"] != chances["evidence"]
    for prior, found in named.items():
        first = found["how_sure"]["statements"][0]
        assert first["by_prior"] == chances, "both are printed always"
        assert first["probability"] == chances[prior]
        assert because in found["how_sure"]["decided_by"]
    assert both["how_sure"]["decided_by"] == "The more sceptical of the two priors decides."
    assert both["how_sure"]["statements"][0]["probability"] == min(chances.values())
    assert {both["recommendation"]} <= {found["recommendation"] for found in named.values()}
