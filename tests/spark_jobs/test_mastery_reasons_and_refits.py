"""Why a night records a decision; where its model comes from; when it is fitted anew, and used once promoted."""

from __future__ import annotations

import random
from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from pyspark.sql import SparkSession

import lake
from cairn.district import load_district_yaml
from cairn.errors import CairnError
from cairn.mastery.config import load_config
from cairn.mastery.judged import is_judged
from cairn.mastery.share.model import is_shipped
from cairn.settings import Settings
from spark_jobs import mastery, mastery_model, mastery_sample
from spark_jobs.night_record import EVIDENCE
from tests.spark_jobs import mastery_lake as small

pytestmark = pytest.mark.spark

START = date(2026, 9, 28)
PUPILS = [f"p{n:02d}" for n in range(30)]


def asks_for(settings: Settings, responses: int, pupils: int) -> None:
    """The district's own evidence.yaml: from so much counted evidence on it has a model of its own."""
    content = load_district_yaml(settings, "evidence.yaml")
    content["model"] |= {"minimum_responses": responses, "minimum_pupils": pupils}
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "evidence.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def without_model(settings: Settings) -> None:
    """Pupils, two competencies and their items; no model is there yet."""
    small.write(settings, "silver.identity_link", [small.link(f"s-{pupil}", pupil) for pupil in PUPILS])
    small.write(settings, "silver.competency", [small.competency(name) for name in ("c0", "c1")])
    small.write(settings, "silver.item_alignment", [small.alignment(f"i{n}", f"c{n % 2}") for n in range(8)])
    # One item is of both: an answer to it is one response on two competencies.
    small.write(settings, "silver.item_alignment", [small.alignment("i0", "c1")])


class Nights:
    """Nights of a small lake, each after so much work of every pupil on its day."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self.chance = random.Random(2)

    def work(self, day: int, attempts: int) -> None:
        rows = [
            small.event(
                f"{pupil}-{day}-{n}",
                f"s-{pupil}",
                f"i{n}",
                small.minutes(START + timedelta(days=day), n),
                self.chance.random() < 0.7,
            )
            for pupil in PUPILS
            for n in range(attempts)
        ]
        small.write(self.settings, "silver.learner_activity", rows)

    def night(self, day: int, attempts: int) -> mastery.Outcome:
        self.work(day, attempts)
        return mastery.update(self.spark, self.settings, START + timedelta(days=day))


def in_use(settings: Settings) -> set[str]:
    return {row["model_version"] for row in small.rows(settings, "gold.mastery_model") if row["is_active"]}


def test_each_decision_says_why_it_was_recorded(spark: SparkSession, settings: Settings) -> None:
    small.seed(settings, ["p0", "p1"], {f"i{n}": "c0" for n in range(8)})

    def night(day: int, *work: tuple[str, int]) -> set[tuple[str, str]]:
        before = len(small.rows(settings, "gold.mastery_decision"))
        rows = [
            small.event(
                f"{pupil}-{day}-{at}-{n}",
                f"s-{pupil}",
                f"i{n}",
                small.minutes(START + timedelta(days=at), 9 * n),
                True,
            )
            for pupil, at in work
            for n in range(3)
        ]
        small.write(settings, "silver.learner_activity", rows)
        mastery.update(spark, settings, START + timedelta(days=day))
        ledger = sorted(small.rows(settings, "gold.mastery_decision"), key=lambda row: row["night"])
        return {(row["student_key"], row["reason"]) for row in ledger[before:]}

    assert night(0, ("p0", 0)) == {("p0", "work")}
    assert night(3, ("p1", 2), ("p1", 3)) == {("p1", "work")}
    assert night(4, ("p0", -2)) == {("p0", "late")}
    assert night(390) == {("p0", "time"), ("p1", "time")}, "a review falls due by time alone"
    strict = small.share_model_rows("other", is_active=False, right=0.5)
    small.write(settings, "gold.mastery_model", strict)
    assert night(391) == set(), "a challenger changes nothing"
    mastery.use_version(settings, "other")
    assert {reason for _, reason in night(392)} == {"model"}


def test_the_shipped_model_serves_until_there_is_evidence_enough(spark: SparkSession, settings: Settings) -> None:
    without_model(settings)
    asks_for(settings, 400, 20)
    nights = Nights(spark, settings)
    first = nights.night(0, 8)["model_version"]
    assert is_shipped(first)
    assert in_use(settings) == {first}
    again = nights.night(1, 0)["model_version"]
    assert again == first
    own = nights.night(2, 8)["model_version"]
    assert not is_shipped(own)
    assert in_use(settings) == {own}
    newest = {row["model_version"] for row in small.states(settings)}
    assert newest == {own}, "every pair is restated"
    rows = [row for row in small.rows(settings, "gold.mastery_model") if row["model_version"] == own]
    assert {row["competency_id"] for row in rows} == {"*", "c0", "c1"}
    items = small.rows(settings, "gold.item_difficulty")
    assert {row["item_id"] for row in items} == {f"i{n}" for n in range(8)}
    assert {row["model_version"] for row in items} == {own}
    model = mastery_model.model_in_use(settings)
    assert model is not None
    assert (model.version, len(model.item_key), sorted(model.row_of)) == (own, 8, ["c0", "c1"])


def test_a_fit_that_found_too_little_is_tried_again_when_evidence_has_doubled(
    spark: SparkSession, settings: Settings
) -> None:
    """540 rows of evidence are enough to look, and the 480 answers are of too few pupils; 1,080 are looked at again."""
    without_model(settings)
    asks_for(settings, 500, 31)
    nights = Nights(spark, settings)
    nights.work(0, 8)
    nights.night(2, 8)
    asks_for(settings, 500, 30)
    assert is_shipped(nights.night(3, 2)["model_version"]), "not yet twice the evidence"
    nights.work(4, 8)
    assert not is_shipped(nights.night(6, 8)["model_version"])


def test_the_model_is_fitted_anew_by_rule_and_waits(spark: SparkSession, settings: Settings) -> None:
    without_model(settings)
    asks_for(settings, 200, 20)
    nights = Nights(spark, settings)
    with pytest.raises(CairnError, match="no night of mastery has run yet"):
        mastery.refit(spark, settings)
    first = nights.night(0, 8)
    assert (first["challenger"], is_shipped(first["model_version"])) == ("", False)
    assert nights.night(1, 4)["challenger"] == "", "neither a week nor twice the evidence"
    doubled = nights.night(2, 8)["challenger"]
    assert doubled.startswith("share-")
    assert nights.night(3, 1)["challenger"] == ""
    weekly = nights.night(9, 1)["challenger"]
    assert weekly.startswith("share-")
    assert in_use(settings) == {first["model_version"]}
    waiting = {row["model_version"] for row in small.rows(settings, "gold.mastery_model") if not row["is_active"]}
    assert {doubled, weekly} == waiting
    again = mastery.refit(spark, settings)
    assert again["model_version"] == weekly, "the same evidence gives the same version"
    assert again["skills"] == 2
    assert {"model", "log_likelihood", "responses", "degenerate", "seconds"} < again.keys()
    with pytest.raises(CairnError, match=f"no model version 'share-none': there is .*{weekly}"):
        mastery.use_version(settings, "share-none")
    mastery.use_version(settings, weekly)
    assert in_use(settings) == {weekly}
    asks_for(settings, 100_000, 20)
    with pytest.raises(CairnError, match="100000 of 20 are needed"):
        mastery.refit(spark, settings)


def test_the_sample_is_whole_pupils_of_those_whom_nobody_is_judged_by(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_model(settings)
    nights = Nights(spark, settings)
    nights.night(0, 8)
    unnamed = {"competency_ids": ["c0"]}
    at = small.minutes(START + timedelta(days=1), 0)
    more = [small.event(f"{pupil}-unnamed", f"s-{pupil}", None, at, True, **unnamed) for pupil in PUPILS]
    small.write(settings, "silver.learner_activity", more)
    nights.night(1, 2)
    config = load_config(settings)
    version = lake.current_version(settings, EVIDENCE)
    taught = [pupil for pupil in PUPILS if not is_judged(pupil)]
    whole = mastery_sample.read_sample(spark.sparkContext, settings, config, version)
    data = whole.responses
    # i0 is one response on two competencies; its answers of the second day come 24 hours later and count again.
    assert (data.user.size, data.skill.size) == (11 * len(taught), 13 * len(taught))
    assert (whole.pupils, whole.answers) == (len(PUPILS), 13 * len(PUPILS))
    assert whole.unnamed == {"#c0#2026-09-29"}
    assert set(data.items) - whole.unnamed == {f"i{n}" for n in range(8)}
    monkeypatch.setattr(mastery_sample, "MOST_RESPONSES", 100)
    some = mastery_sample.read_sample(spark.sparkContext, settings, config, version).responses
    assert 100 <= some.skill.size < data.skill.size
    assert set(np.unique(some.user, return_counts=True)[1].tolist()) == {11}, "of each pupil everything or nothing"
