"""What a card must not say: outcomes too early, a chance of what cannot be compared, a number that is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilots.evaluate import evaluate
from pilots.plan import Plan
from tests.pilots.made_districts import AFTER, BEFORE, NO_MARTS, made_plan, made_pupils, names

TREATED, COMPARISON = names(6, "t"), names(6, "c")
OF_OUTCOMES = {"hedges_g", "difference", "expected_effect", "improvement_index"}


def _card(plan: Plan, pupils: pd.DataFrame, day: str = AFTER, **more: Any) -> dict[str, Any]:
    card = evaluate(plan, pupils, *NO_MARTS, "learning-1", day, **more)
    json.dumps(card, allow_nan=False)
    return card


def _shows_outcomes(card: dict[str, Any]) -> list[str]:
    sure = card["how_sure"]
    found = [one["name"] for one in card["estimates"] if one["name"] in OF_OUTCOMES]
    found += [name for name in ("statements", "sensitivity", "adjustments") if sure[name]]
    found += [name for name in ("df", "p_value", "smallest_p") if sure[name] is not None]
    found += ["mean_outcome" for school in card["schools"] if school["mean_outcome"] is not None][:1]
    return found + ["rating"] * (card["rating"]["rating"] is not None)


def test_before_the_window_nothing_of_outcomes_is_shown() -> None:
    """Scores that are there already, as from an early make-up, are not looked at."""
    plan = made_plan(TREATED, COMPARISON)
    pupils = made_pupils(np.random.default_rng(1), plan, effect=1.0)
    card = _card(plan, pupils, BEFORE)
    assert card["recommendation"] == "TOO EARLY"
    assert _shows_outcomes(card) == []
    assert {one["name"] for one in card["estimates"]} == {"baseline_g", "dosage_met_share", "outcome_coverage"}
    assert card["rating"]["attrition"] is None, "who has no score yet is not lost"
    blank = _card(plan, pupils.assign(outcome_score=np.nan), BEFORE)
    assert blank["estimates"][0] == card["estimates"][0], "balance at the start hangs on no outcome"
    assert all(school["pupils"] == 20 and school["mean_baseline"] for school in card["schools"])
    assert not any("worse" in warning for warning in card["warnings"])
    assert len(_shows_outcomes(_card(plan, pupils))) > 8, "after it all of it is"


def test_under_the_planned_coverage_nothing_of_outcomes_is_shown() -> None:
    plan = made_plan(TREATED, COMPARISON)
    pupils = made_pupils(np.random.default_rng(1), plan, effect=-1.0)
    some = pupils.assign(outcome_score=pupils.outcome_score.mask(np.arange(len(pupils)) % 4 == 0))
    card = _card(plan, some)
    assert (card["recommendation"], _shows_outcomes(card)) == ("TOO EARLY", [])
    assert "75% of pupils have an outcome" in card["why"][0]


def test_volunteers_who_were_not_alike_are_invalid() -> None:
    plan = made_plan(TREATED, COMPARISON, is_random=False)
    pupils = made_pupils(np.random.default_rng(2), plan, effect=0.5, apart=0.7)
    card = _card(plan, pupils)
    assert card["recommendation"] == "INVALID"
    assert "not drawn at random" in card["why"][0] and "apart at the start" in card["why"][0]
    assert card["how_sure"]["statements"] == []
    assert card["rating"]["equivalence"] == "not_satisfied"
    assert _card(plan, pupils, BEFORE)["recommendation"] == "TOO EARLY", "balance is judged at the end"
    drawn = made_plan(TREATED, COMPARISON)
    assert _card(drawn, pupils)["recommendation"] != "INVALID", "what a draw leaves apart is chance"
    gone = pupils.assign(outcome_score=pupils.outcome_score.mask(pupils.school_id == "c00"))
    assert _card(drawn, gone)["recommendation"] == "INVALID"


def test_frozen_late_is_printed_and_capped() -> None:
    plan = made_plan(names(10, "t"), names(10, "c"))
    pupils = made_pupils(np.random.default_rng(3), plan, effect=0.8)
    assert _card(plan, pupils)["recommendation"] == "SCALE"
    in_time = datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert _card(plan, pupils, frozen_at=in_time)["recommendation"] == "SCALE"
    late = _card(plan, pupils, frozen_at=datetime(2026, 10, 26, tzinfo=UTC))
    assert late["recommendation"] == "ITERATE"
    assert late["why"][0] == late["warnings"][0]
    assert late["why"][0].startswith("Frozen late: the plan was frozen on 2026-10-26")


def test_harm_needs_schools_and_size() -> None:
    plan = made_plan(names(10, "t"), names(10, "c"))
    card = _card(plan, made_pupils(np.random.default_rng(4), plan, effect=-0.9), red_gates=["before_publish"])
    assert card["recommendation"] == "HARM"
    assert "before_publish" in " ".join(card["why"])
    few = made_plan(names(4, "t"), names(4, "c"))
    card = _card(few, made_pupils(np.random.default_rng(4), few, effect=-0.9))
    assert card["recommendation"] == "CANNOT TELL"
    assert any("too few schools to call it harm" in warning for warning in card["warnings"])


def _only(*schools: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda pupils: pupils[pupils.school_id.isin(schools)]


def _blank(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda pupils: pupils.assign(**{column: np.nan})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_only("t00", "t01"), "No school without the change has pupils with both scores"),
        (_blank("baseline_score"), "No pupil has a score in the baseline window"),
        (lambda f: f.assign(outcome_score=200.0), "The outcome scores of comparison pupils do not vary"),
        (lambda f: f.assign(baseline_score=200.0), "The baseline scores of comparison pupils do not vary"),
        (lambda f: f.groupby("school_id").head(1), "fewer than 10 pupils with both scores"),
        (
            lambda f: f.assign(baseline_score=f.baseline_score.mask(f.arm == "comparison")),
            "No school without the change has pupils with both scores",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(change: Callable[[pd.DataFrame], pd.DataFrame], said: str) -> None:
    plan = made_plan(TREATED, COMPARISON)
    card = _card(plan, change(made_pupils(np.random.default_rng(5), plan)))
    assert card["recommendation"] in ("CANNOT TELL", "INVALID")
    assert said in " ".join(card["why"])
    assert card["how_sure"]["statements"] == []
    for one in card["estimates"]:
        assert one["value"] is None or math.isfinite(one["value"])


def test_one_school_an_arm_cannot_tell_and_rates_nothing() -> None:
    plan = made_plan(["t00"], ["c00"])
    card = _card(plan, made_pupils(np.random.default_rng(5), plan, effect=1.0))
    assert card["recommendation"] == "CANNOT TELL"
    assert "The smaller arm has 1 school" in card["why"][0]
    assert (card["how_sure"]["p_value"], card["how_sure"]["statements"]) == (None, [])
    assert card["rating"]["rating"] == "does not meet"


def test_nobody_at_all() -> None:
    plan = made_plan(TREATED, COMPARISON)
    card = _card(plan, made_pupils(np.random.default_rng(5), plan).iloc[:0])
    assert card["recommendation"] == "TOO EARLY"
    assert card["how_sure"]["why_no_chance"] == "It is too early for a chance."


def test_blocks_with_one_arm_or_with_as_many_terms_as_schools() -> None:
    pupils = made_pupils(np.random.default_rng(6), made_plan(TREATED, COMPARISON))
    card = _card(made_plan(TREATED, COMPARISON, blocks=[TREATED, COMPARISON]), pupils)
    assert (card["recommendation"], "one arm only" in card["why"][0]) == ("CANNOT TELL", True)
    pairs = [list(pair) for pair in zip(TREATED, COMPARISON, strict=True)]
    assert _card(made_plan(TREATED, COMPARISON, blocks=pairs), pupils)["how_sure"]["df"] == 4
