"""The eight rules in their order, the words, and how often the rule is wrong when the truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pilots_operating_characteristics import Cell, fill
from pilots.decision import DECISIONS, Chances, Evidence, decide, in_words, look, statement


def both(positive: float, matters: float, harmful: float = 0.0) -> dict[str, Chances]:
    """The same chances under both priors."""
    return dict.fromkeys(("plan", "evidence"), Chances(positive, matters, harmful))


def apart(one: Chances, other: Chances) -> dict[str, Chances]:
    """Chances of the plan's prior and of that of large trials."""
    return {"plan": one, "evidence": other}


GOOD = Evidence(chances=both(0.97, 0.8), smallest_effect=0.10, schools_smaller_arm=6, dosage_met_share=0.9)
SURE, UNSURE = Chances(0.97, 0.8, 0.0), Chances(0.85, 0.4, 0.0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "SCALE"),
        ({"chances": both(0.02, 0.01, 0.90), "invalid": ["x"]}, "HARM"),
        ({"chances": both(0.02, 0.01, 0.89)}, "STOP"),
        ({"chances": both(0.02, 0.01, 0.95), "schools_smaller_arm": 5}, "CANNOT TELL"),
        ({"guardrails_failed": ["attendance"]}, "HARM"),
        ({"invalid": ["x"], "too_early": ["x"]}, "INVALID"),
        ({"too_early": ["x"], "schools_smaller_arm": 2, "chances": {}}, "TOO EARLY"),
        ({"chances": {}}, "TOO EARLY"),
        ({"chances": {}, "cannot_compare": ["x"]}, "CANNOT TELL"),
        ({"schools_smaller_arm": 5}, "CANNOT TELL"),
        ({"guardrails_open": ["attendance"]}, "NEXT WAVE"),
        ({"chances": both(0.97, 0.10)}, "STOP"),
        ({"chances": both(0.80, 0.4)}, "NEXT WAVE"),
        ({"chances": both(0.95, 0.49)}, "NEXT WAVE"),
        ({"chances": both(0.79, 0.4)}, "ITERATE"),
        ({"chances": apart(SURE, UNSURE)}, "NEXT WAVE"),
        ({"chances": apart(UNSURE, SURE)}, "NEXT WAVE"),
        ({"chances": apart(SURE, Chances(0.7, 0.4, 0.0))}, "ITERATE"),
        ({"chances": apart(Chances(0.5, 0.09, 0.0), Chances(0.5, 0.11, 0.0))}, "ITERATE"),
        ({"chances": apart(Chances(0.01, 0.0, 0.95), Chances(0.05, 0.0, 0.85))}, "STOP"),
        ({"frozen_late": "late"}, "ITERATE"),
        ({"frozen_late": "late", "chances": both(0.85, 0.4)}, "ITERATE"),
        ({"frozen_late": "late", "chances": both(0.5, 0.05)}, "STOP"),
    ],
)
def test_first_rule_that_fits(changes: Mapping[str, object], code: str) -> None:
    """The more sceptical of two priors decides: the lower chance for SCALE, NEXT WAVE and HARM, the higher for STOP."""
    said = decide(replace(GOOD, **changes))  # type: ignore[arg-type]  # each value fits its field
    assert said.code == code
    assert said.code in DECISIONS
    assert said.why
    assert "proved" not in " ".join([said.text, said.next, *said.why]).lower()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_reason_is_as_strong_as_the_statement_of_the_same_chance(a: float, b: float, c: float, d: float) -> None:
    """The review saw "at least as likely as not" beside "very confident" for one claim."""
    chances = apart(Chances(max(a, b), min(a, b), 0.0), Chances(max(c, d), min(c, d), 0.0))
    said = decide(replace(GOOD, chances=chances))
    enough = "enough to matter (0.10 SD or more)"
    told = {
        "SCALE": [("pupils gained", "pupils did not gain", "positive"), (f"pupils gained {enough}", "-", "matters")],
        "STOP": [("-", f"pupils did not gain {enough}", "matters")],
        "NEXT WAVE": [("pupils gained", "pupils did not gain", "positive")],
    }
    for reason, (text, opposite, part) in zip(said.why, told.get(said.code, []), strict=False):
        stated = statement(text, opposite, {name: getattr(one, part) for name, one in chances.items()})
        assert str(stated["sentence"]).startswith(reason.removesuffix("."))


def test_what_is_not_yet_harm_is_to_be_looked_at() -> None:
    worse = both(0.05, 0.01, 0.7)
    assert decide(replace(GOOD, chances=worse)).code == "STOP"
    assert "not by as much" in str(look(replace(GOOD, chances=worse)))
    assert "too few schools" in str(look(replace(GOOD, chances=both(0.01, 0.0, 0.97), schools_smaller_arm=4)))
    assert look(replace(GOOD, chances=both(0.01, 0.0, 0.97))) is None, "that is HARM"
    assert look(replace(GOOD, chances=both(0.2, 0.1, 0.5))) is None
    assert look(replace(GOOD, chances={})) is None


def test_low_dosage_is_said() -> None:
    said = decide(replace(GOOD, chances=both(0.7, 0.3), dosage_met_share=0.4))
    assert any("Not yet tested as intended" in reason for reason in said.why)


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (0.95, "very confident"),
        (0.949, "fairly confident"),
        (0.8, "fairly confident"),
        (0.6, "leaning towards"),
        (0.5, "cannot tell"),
        (0.4, "cannot tell"),
    ],
)
def test_words(chance: float, words: str) -> None:
    assert in_words(chance) == words


def test_below_forty_the_opposite_is_named() -> None:
    assert statement("pupils gained", "pupils did not gain", {"plan": 0.0254, "evidence": 0.0301}) == {
        "text": "pupils did not gain",
        "probability": 0.96,
        "words": "very confident",
        "by_prior": {"plan": 0.97, "evidence": 0.96},
        "sentence": "Very confident that pupils did not gain (chance 96%: 97% by the plan's prior, 96% by 141 large"
        " trials).",
    }
    assert statement("pupils gained", "x", {"plan": 0.9999, "evidence": 1.0})["probability"] == 0.99


def test_priors_that_lean_apart_cannot_tell() -> None:
    said = statement("up", "down", {"plan": 0.3, "evidence": 0.7})
    assert (said["text"], said["probability"], said["words"]) == ("up", 0.5, "cannot tell")


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_word_is_stronger_than_its_number_nor_than_either_prior(one: float, other: float) -> None:
    said = statement("up", "down", {"plan": one, "evidence": other})
    told = float(str(said["probability"]))
    assert said["words"] == in_words(told)
    assert said["text"] == "up" or told >= 0.59
    if told > 0.5:
        sure = (one, other) if said["text"] == "up" else (1 - one, 1 - other)
        assert told <= min(sure) + 1e-9 or told == 0.01


@pytest.mark.parametrize(
    ("effect", "decision", "share", "is_most"),
    [
        ("0", "SCALE", 0.05, True),
        ("0", "HARM", 0.03, True),
        ("2c", "STOP", 0.05, True),
        ("2c", "HARM", 0.03, True),
        ("2c", "SCALE", 0.70, False),
        ("0", "STOP", 0.45, False),
    ],
)
def test_forty_schools_at_random(effect: str, decision: str, share: float, is_most: bool) -> None:
    """As benchmarks/pilots_operating_characteristics.py, with fewer districts: bounds plus two Monte Carlo errors."""
    cell, runs = Cell("random", 40, 0.2, effect), 150
    fill(cell, runs)
    found, error = cell.share(decision), (share * (1 - share) / runs) ** 0.5
    assert found <= share + 2 * error if is_most else found >= share - 2 * error


def test_few_schools_are_told_nothing() -> None:
    cell = Cell("random", 8, 0.2, "-2c")
    fill(cell, 20)
    assert cell.share("CANNOT TELL") == 1.0
    assert cell.share("HARM", older=True) > 0.0, "the older rule called harm even here"
