"""Trial, promotion and return on a small lake: told by subject, one version for the district, all of it on record."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.mastery.share.formula import SKILL_WEIGHTS
from cairn.settings import Settings
from spark_jobs import mastery_trial
from tests.spark_jobs import mastery_lake as small

START = date(2026, 9, 1)
PUPILS = [f"p{n:03d}" for n in range(900)]
SUBJECTS = {"m": "math", "r": "reading"}


def version(name: str, day: int, *, is_active: bool = False, **lift: float) -> list[dict[str, Any]]:
    """A version that knows both competencies, each off the model of small lakes by so much on the logit (``lift``)."""
    general = small.share_model_rows(name, is_active=is_active)[0]
    general["fitted_at"] = small.minutes(START + timedelta(days=day), 0)
    own = {"reference": general["reference"], "doubt": None}
    rows = [
        {**general, **own, "competency_id": one, "weights": [lift.get(one, 0.0), *[0.0] * (SKILL_WEIGHTS - 1)]}
        for one in SUBJECTS
    ]
    return [general, *rows]


@pytest.fixture
def tried(settings: Settings) -> Settings:
    """Two subjects; the champion says too little in mathematics. "half" is truer there and much worse in reading."""
    small.write(settings, "silver.identity_link", [small.link(f"s-{pupil}", pupil) for pupil in PUPILS])
    aligned = [small.alignment(f"{name}{n}", name) for name in SUBJECTS for n in range(12)]
    small.write(settings, "silver.item_alignment", aligned)
    small.write(settings, "silver.competency", [small.competency(n) | {"subject": s} for n, s in SUBJECTS.items()])
    rows = version("champion", 0, is_active=True, m=-2.0)
    rows += version("half", 8, r=-2.0) + version("new", 9)
    small.write(settings, "gold.mastery_model", rows)
    chance, events = random.Random(2), []
    for pupil in PUPILS:
        for name in SUBJECTS:
            known = chance.random() < 0.3
            for n in range(12):
                right = chance.random() < (0.92 if known else 0.2)
                known = known or chance.random() < 0.2
                at = small.minutes(START + timedelta(days=n), 0)
                events.append(small.event(f"{pupil}-{name}{n}", f"s-{pupil}", f"{name}{n}", at, right))
    small.write(settings, "silver.learner_activity", events)
    return settings


def in_use(settings: Settings) -> set[str]:
    return {row["model_version"] for row in small.rows(settings, "gold.mastery_model") if row["is_active"]}


def test_a_challenger_is_put_to_use_for_all_subjects_where_none_got_worse(tried: Settings) -> None:
    with pytest.raises(CairnError, match="it was not tried"):
        mastery_trial.promote(tried, "new")
    rows = {row["subject"]: row for row in mastery_trial.try_version(tried)}
    assert {row["model_version"] for row in rows.values()} == {"new"}, "the newest that waits"
    assert {name: row["is_passed"] for name, row in rows.items()} == {"math": True, "reading": True}
    losses = {name: row["measures"][0] for name, row in rows.items()}
    assert losses["math"]["high"] < 0, "truer there for sure"
    assert (losses["reading"]["low"], losses["reading"]["high"]) == (0.0, 0.0), "the same there"
    assert 140 < rows["math"]["pupils"] < 220, "a fifth of the pupils judges"
    assert mastery_trial.promote(tried, "new") == {"math": 1, "reading": 1}
    assert in_use(tried) == {"new"}


def test_one_subject_that_got_worse_is_enough_to_refuse(tried: Settings) -> None:
    rows = {row["subject"]: row for row in mastery_trial.try_version(tried, "half")}
    assert {name: row["is_passed"] for name, row in rows.items()} == {"math": True, "reading": False}
    assert rows["reading"]["reason"].startswith("log_loss: ")
    assert not mastery_trial.is_passed(list(rows.values()))
    with pytest.raises(CairnError, match=r"not promoted: reading: log_loss.*--force REASON"):
        mastery_trial.promote(tried, "half")
    assert in_use(tried) == {"champion"}


def test_going_back_restores_what_was_in_use_and_is_on_record(tried: Settings) -> None:
    mastery_trial.promote(tried, "half", "the board asked for it")
    assert in_use(tried) == {"half"}
    assert mastery_trial.roll_back(tried, "it did not hold") == {"model_version": "champion", "instead_of": "half"}
    assert in_use(tried) == {"champion"}
    with pytest.raises(CairnError, match="nothing was promoted since"):
        mastery_trial.roll_back(tried, "again")
    assert [(row["action"], row["reason"]) for row in mastery_trial.record(tried)] == [
        ("forced", "the board asked for it"),
        ("rolled back", "it did not hold"),
    ]
    mastery_trial.promote(tried, "new", "and then this one")
    mastery_trial.roll_back(tried, "neither did this")
    assert mastery_trial.try_version(tried) == [], "what was taken back is not tried again by itself"


def test_a_trial_against_what_is_no_longer_in_use_does_not_count(tried: Settings) -> None:
    mastery_trial.try_version(tried, "new")
    small.write(tried, "gold.mastery_model", version("other", 10))
    mastery_trial.promote(tried, "other", "meanwhile")
    with pytest.raises(CairnError, match="against a model that is no longer in use"):
        mastery_trial.promote(tried, "new")


def test_what_is_not_there_is_said(tried: Settings) -> None:
    with pytest.raises(CairnError, match="no model version 'x': there is champion, half, new"):
        mastery_trial.try_version(tried, "x")
    mastery_trial.promote(tried, "new", "all of it")
    assert mastery_trial.try_version(tried) == [], "no challenger waits"
    with pytest.raises(CairnError, match="is in use already"):
        mastery_trial.promote(tried, "new")


def test_a_subject_of_few_pupils_does_not_decide_but_one_must(tried: Settings) -> None:
    """Of art five judged pupils have worked: nothing can be told of it."""
    small.write(tried, "silver.competency", [small.competency("a") | {"subject": "art"}])
    small.write(tried, "silver.item_alignment", [small.alignment("a0", "a")])
    at = small.minutes(START, 0)
    work = [small.event(f"{pupil}-a0", f"s-{pupil}", "a0", at, True) for pupil in PUPILS[:25]]
    small.write(tried, "silver.learner_activity", work)
    rows = {row["subject"]: row for row in mastery_trial.try_version(tried, "new")}
    assert not rows["art"]["is_passed"]
    assert rows["art"]["reason"] == f"only {rows['art']['pupils']} pupils to judge by"
    assert not mastery_trial.is_passed([rows["art"]])
    assert mastery_trial.is_passed(list(rows.values()))
    assert mastery_trial.promote(tried, "new") == {"math": 1, "reading": 1}


def test_without_evidence_or_model_there_is_nothing_to_try(settings: Settings) -> None:
    with pytest.raises(CairnError, match="no model is in use yet"):
        mastery_trial.try_version(settings)
    small.write(settings, "silver.competency", [small.competency("m")])
    small.write(settings, "gold.mastery_model", version("champion", 0, is_active=True) + version("new", 1))
    with pytest.raises(CairnError, match="no evidence to judge by"):
        mastery_trial.try_version(settings)
