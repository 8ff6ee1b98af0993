"""Trial, promotion and return on a small lake: per subject, on record, and the next night's parameters follow."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import mastery_trial
from tests.spark_jobs import mastery_lake as small

START = date(2026, 9, 1)
PUPILS = [f"p{n:03d}" for n in range(900)]


def model(version: str, competency: str, day: int, *, is_active: bool, **values: float) -> dict[str, Any]:
    row = small.default_model(**values)
    fitted = small.minutes(START + timedelta(days=day), 0)
    return {**row, "model_version": version, "competency_id": competency, "is_active": is_active, "fitted_at": fitted}


@pytest.fixture
def tried(settings: Settings) -> Settings:
    """Two subjects; the challenger is truer in mathematics and much worse in reading."""
    subjects = {"m": "math", "r": "reading"}
    small.write(settings, "silver.identity_link", [small.link(f"s-{pupil}", pupil) for pupil in PUPILS])
    aligned = [small.alignment(f"{name}{n}", name) for name in subjects for n in range(12)]
    small.write(settings, "silver.item_alignment", aligned)
    small.write(settings, "silver.competency", [small.competency(n) | {"subject": s} for n, s in subjects.items()])
    good, bad = (
        {"prior": 0.3, "learn": 0.2, "guess": 0.2, "slip": 0.08},
        {"prior": 0.9, "learn": 0.6, "guess": 0.3, "slip": 0.1},
    )
    small.write(settings, "gold.mastery_model", [small.default_model()])
    rows = [model("champion", "m", 0, is_active=True, **bad), model("champion", "r", 0, is_active=True, **good)]
    rows += [model("new", "m", 9, is_active=False, **good), model("new", "r", 9, is_active=False, **bad)]
    small.write(settings, "gold.mastery_model", rows)
    chance, events = random.Random(2), []
    for pupil in PUPILS:
        for name in subjects:
            known = chance.random() < 0.3
            for n in range(12):
                right = chance.random() < (0.92 if known else 0.2)
                known = known or chance.random() < 0.2
                at = small.minutes(START + timedelta(days=n), 0)
                events.append(small.event(f"{pupil}-{name}{n}", f"s-{pupil}", f"{name}{n}", at, right))
    small.write(settings, "silver.learner_activity", events)
    return settings


def in_use(settings: Settings) -> dict[str, str]:
    rows = small.rows(settings, "gold.mastery_model")
    return {row["competency_id"]: row["model_version"] for row in rows if row["is_active"]}


def test_a_challenger_is_put_to_use_where_it_passed_and_only_there(tried: Settings) -> None:
    with pytest.raises(CairnError, match="it was not tried"):
        mastery_trial.promote(tried, "new")
    rows = {row["subject"]: row for row in mastery_trial.try_version(tried)}
    assert {name: row["is_passed"] for name, row in rows.items()} == {"math": True, "reading": False}
    assert rows["reading"]["reason"].startswith("log_loss: ")
    assert rows["math"]["measures"][0]["challenger"] < rows["math"]["measures"][0]["champion"]
    assert mastery_trial.promote(tried, "new") == {"math": 1}
    assert in_use(tried) == {"*": "bkt-test", "m": "new", "r": "champion"}
    with pytest.raises(CairnError, match=r"not promoted: reading: log_loss.*--force REASON"):
        mastery_trial.promote(tried, "new", "reading")


def test_going_back_restores_what_was_in_use_and_is_on_record(tried: Settings) -> None:
    assert mastery_trial.promote(tried, "new", "reading", "the board asked for it") == {"reading": 1}
    assert in_use(tried)["r"] == "new"
    assert mastery_trial.roll_back(tried, "reading", "it did not hold") == {"r": "champion"}
    assert in_use(tried)["r"] == "champion"
    with pytest.raises(CairnError, match="nothing was promoted for subject 'reading' since"):
        mastery_trial.roll_back(tried, "reading", "again")
    assert [(row["action"], row["reason"]) for row in mastery_trial.record(tried)] == [
        ("forced", "the board asked for it"),
        ("rolled back", "it did not hold"),
    ]


def test_a_trial_against_what_is_no_longer_in_use_does_not_count(tried: Settings) -> None:
    mastery_trial.try_version(tried, "new")
    small.write(tried, "gold.mastery_model", [model("other", "m", 10, is_active=False)])
    mastery_trial.promote(tried, "other", force="meanwhile")
    with pytest.raises(CairnError, match="against parameters that are no longer in use"):
        mastery_trial.promote(tried, "new", "math")


def test_what_is_not_there_is_said(tried: Settings) -> None:
    with pytest.raises(CairnError, match="no model version 'x': there is bkt-test, champion, new"):
        mastery_trial.try_version(tried, "x")
    with pytest.raises(CairnError, match=r"no competency of subject 'art': there is 'math', 'reading'"):
        mastery_trial.promote(tried, "new", "art")
    mastery_trial.promote(tried, "new", force="all of it")
    assert mastery_trial.try_version(tried) == [], "no challenger waits"
    with pytest.raises(CairnError, match="is in use already"):
        mastery_trial.promote(tried, "new")


def test_a_competency_without_evidence_is_not_passed(tried: Settings) -> None:
    small.write(tried, "gold.mastery_model", [model("lone", "x", 12, is_active=False)])
    [row] = mastery_trial.try_version(tried)
    assert (row["model_version"], row["is_passed"], row["reason"]) == ("lone", False, "only 0 pupils to judge by")
