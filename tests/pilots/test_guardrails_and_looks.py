"""Guardrails: measured with their doubt; looks: each on its day and the effect once."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cairn.errors import CairnError
from cairn.settings import REPOSITORY
from pilots.guardrails import FAILED, NOT_MEASURED, OPEN, SAFE, Guardrail, SchoolValue, for_decision, measure
from pilots.looks import EFFECT, GUARDRAILS, IMPLEMENTATION, due_look, looks_of, next_look
from pilots.plan import load_plan

ATTENDANCE = Guardrail("attendance", 1.0, "points", "daily attendance, August to October")


def schools(difference: float, sd: float, arm: int, seed: int = 1, has_before: bool = False) -> list[SchoolValue]:
    """``arm`` schools each, the treated ones ``difference`` apart, around 94 percent."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, sd, 2 * arm)
    before = 94 + 3 * rng.normal(0, 1, 2 * arm) if has_before else None
    return [
        SchoolValue(
            f"s{n}",
            n < arm,
            float(noise[n] + (94 if before is None else before[n]) + difference * (n < arm)),
            300,
            None if before is None else float(before[n]),
        )
        for n in range(2 * arm)
    ]


@pytest.mark.parametrize(
    ("difference", "sd", "arm", "status"),
    [
        (0.0, 0.5, 10, SAFE),
        (-3.0, 0.5, 10, FAILED),
        (0.0, 6.0, 6, OPEN),
        (-3.0, 0.5, 5, OPEN),
        (-3.0, 0.5, 1, NOT_MEASURED),
    ],
)
def test_four_words(difference: float, sd: float, arm: int, status: str) -> None:
    found = measure(ATTENDANCE, schools(difference, sd, arm))
    assert found.status == status
    assert found.guardrail.source in found.sentence
    assert (found.chance_worse is None) == (status == NOT_MEASURED or arm < 6)
    failed, still_open = for_decision([found])
    assert (failed, still_open) == (
        ["attendance"] if status == FAILED else [],
        ["attendance"] if status in (OPEN, NOT_MEASURED) else [],
    )


def test_more_can_be_worse() -> None:
    missed = Guardrail("days missed", 1.0, "days", "attendance", is_more_better=False)
    assert measure(missed, schools(3.0, 0.5, 10)).status == FAILED
    assert measure(missed, schools(-3.0, 0.5, 10)).status == SAFE


def test_what_schools_were_before_is_taken_out() -> None:
    told = schools(0.0, 0.3, 10, has_before=True)
    without = [SchoolValue(one.school_id, one.is_treated, one.value, one.people) for one in told]
    better, plain = measure(ATTENDANCE, told), measure(ATTENDANCE, without)
    assert better.standard_error is not None
    assert plain.standard_error is not None
    assert better.standard_error < plain.standard_error / 3
    assert (better.status, plain.status, plain.df) == (SAFE, OPEN, 18)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-50, 50), min_size=12, max_size=30),
    margin=st.floats(0.01, 20),
    shift=st.floats(0.1, 5),
)
@example(values=[0.0] * 5 + [12.0, 0.0, 13.0, 0.0, 13.0, 0.0, 13.0], margin=1.0, shift=5.0)
def test_worse_values_are_never_safer_and_nothing_is_nan(values: list[float], margin: float, shift: float) -> None:
    guardrail = Guardrail("survey", margin, "points", "survey")
    rows = [SchoolValue(f"s{n}", n % 2 == 0, value, 20) for n, value in enumerate(values)]
    lower = [SchoolValue(r.school_id, r.is_treated, r.value - shift * r.is_treated, r.people) for r in rows]
    one, other = measure(guardrail, rows), measure(guardrail, lower)
    for found in (one, other):
        assert "nan" not in found.sentence
        assert found.difference is not None
        assert np.isfinite(found.difference)
    if one.chance_worse is not None and other.chance_worse is not None:
        assert other.chance_worse >= one.chance_worse - 1e-9


def test_harmless_pilots_seldom_fail_however_little_is_known() -> None:
    """At no difference, over standard errors from a tenth of the margin to five of it."""
    for sd in (0.2, 0.5, 1.0, 2.0, 5.0):
        failed = sum(measure(ATTENDANCE, schools(0.0, sd * 6**0.5, 12, seed)).status == FAILED for seed in range(100))
        assert failed <= 2, sd


def test_a_table_that_cannot_be_is_refused() -> None:
    rows = schools(0.0, 1.0, 6)
    with pytest.raises(CairnError, match="'s0' is there twice"):
        measure(ATTENDANCE, [*rows, rows[0]])
    with pytest.raises(CairnError, match="no number"):
        measure(ATTENDANCE, [*rows, SchoolValue("x", True, float("nan"), 3)])
    with pytest.raises(CairnError, match="above 0"):
        Guardrail("attendance", 0.0, "points", "x")
    same = [SchoolValue(f"s{n}", n < 6, 0.1, 9) for n in range(12)]
    assert measure(ATTENDANCE, same).status == OPEN


def test_each_look_has_its_day_and_the_effect_one() -> None:
    plan = load_plan(REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml")
    found = looks_of(plan)
    starts = date.fromisoformat(plan.implementation["starts_on"])
    ends = date.fromisoformat(plan.implementation["ends_on"])
    assert [look.kind for look in found] == [IMPLEMENTATION, GUARDRAILS, EFFECT]
    assert found[0].due_on == starts + timedelta(days=30)
    assert found[1].due_on == ends, "the pilot ends before its day 60"
    assert found[2].due_on > date.fromisoformat(plan.analysis["outcome"]["to_date"])
    assert due_look(plan, starts) is None
    kinds = [look.kind for day in range(200) if (look := due_look(plan, starts + timedelta(days=day)))]
    assert kinds == sorted(kinds, key=[IMPLEMENTATION, GUARDRAILS, EFFECT].index)
    assert next_look(plan, found[2].due_on) is None
