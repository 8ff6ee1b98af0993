"""Next-response accuracy from the lake: other pupils are judged than taught, and each response once."""

from __future__ import annotations

import random
import zlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from cairn.district import load_district_yaml
from cairn.errors import CairnError
from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.predictors import BktRule
from cairn.settings import Settings
from tests.spark_jobs import mastery_lake as small

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

PUPILS = [f"p{n:02d}" for n in range(40)]
START = date(2026, 9, 1)
RULE = BktRule(Bounds(), Parameters(0.35, 0.12, 0.2, 0.1))


def test_accuracy_and_fit_from_the_lake(spark: SparkSession, settings: Settings) -> None:
    from spark_jobs.evaluate_lake import next_response_accuracy
    from spark_jobs.mastery import refit, update, use_version

    chance = random.Random(3)
    small.seed(settings, PUPILS, {f"i{n}": f"c{n % 2}" for n in range(12)})
    # One item is aligned to both competencies: its responses are predicted once all the same.
    small.write(settings, "silver.item_alignment", [small.alignment("i0", "c1")])
    events = []
    for pupil in PUPILS:
        known = {0: False, 1: False}
        for n in range(24):
            right = chance.random() < (0.9 if known[n % 2] else 0.2)
            known[n % 2] = known[n % 2] or chance.random() < 0.15
            at = small.minutes(START + timedelta(days=n), 0)
            events.append(small.event(f"{pupil}-{n:02d}", f"s-{pupil}", f"i{n % 12}", at, right))
    small.write(settings, "silver.learner_activity", events)
    found = next_response_accuracy(settings, "framework", "bkt", RULE)
    judged = [pupil for pupil in PUPILS if zlib.crc32(pupil.encode()) % 5 == 0]
    assert found["students"] == len(judged)
    assert found["responses"] == 24 * len(judged)
    assert 0.6 < found["auc"] < 0.95
    assert {"auc_within_student", "rmse", "log_loss", "ece", "seconds"} <= found.keys()
    with pytest.raises(CairnError, match="no framework 'nowhere' in the lake: there is framework"):
        next_response_accuracy(settings, "nowhere", "bkt", RULE)
    with pytest.raises(CairnError, match="no night of mastery has run yet"):
        refit(spark, settings)
    update(spark, settings, START + timedelta(days=11))
    # Half of the work stands as evidence now, the other half waits for its night: the same responses all the same.
    later = next_response_accuracy(settings, "framework", "bkt", RULE)
    for name in ("auc", "auc_within_student", "rmse", "log_loss", "ece", "responses", "students"):
        assert later[name] == pytest.approx(found[name])
    shared = next_response_accuracy(settings, "framework", "share", RULE)
    assert shared["responses"] == found["responses"]
    assert shared["left_out"] == []
    with pytest.raises(CairnError, match="are too few for a model of the district's own"):
        refit(spark, settings)
    content = load_district_yaml(settings, "evidence.yaml")
    content["model"] |= {"minimum_responses": 100, "minimum_pupils": 10}
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "evidence.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    fitted = refit(spark, settings)
    assert (fitted["model"], fitted["skills"], fitted["degenerate"]) == ("share", 2, 0)
    assert fitted["log_likelihood"] < 0
    rows = small.rows(settings, "gold.mastery_model")
    assert {row["model_version"] for row in rows if row["is_active"]} == {"share-test"}, "a challenger is not used"
    use_version(settings, str(fitted["model_version"]))
    rows = small.rows(settings, "gold.mastery_model")
    assert {row["model_version"] for row in rows if row["is_active"]} == {fitted["model_version"]}
    with pytest.raises(CairnError, match="no model version 'share-nothing': there is "):
        use_version(settings, "share-nothing")
    assert len(small.rows(settings, "gold.item_difficulty")) == 12


def test_mastery_is_judged_on_the_evidence_that_counts(settings: Settings) -> None:
    """Retries an hour later, rapid guesses and totals beside answers are scored and do not count; help is not right."""
    from spark_jobs.evaluate_lake import counted_history, mastery_accuracy, next_response_accuracy

    small.seed(settings, PUPILS, {f"i{n}": "c0" for n in range(12)})
    chance = random.Random(5)
    events = []
    for pupil in PUPILS:
        for n in range(12):
            day = START + timedelta(days=n)
            right = chance.random() < 0.7
            events += [
                small.event(f"{pupil}-{n:02d}", f"s-{pupil}", f"i{n}", small.minutes(day, 0), right),
                small.event(f"{pupil}-{n:02d}-again", f"s-{pupil}", f"i{n}", small.minutes(day, 60), True),
            ]
        late = START + timedelta(days=30)
        told = {"duration_ms": 300}
        events.append(small.event(f"{pupil}-rapid", f"s-{pupil}", "i0", small.minutes(late, 0), True, **told))
        late += timedelta(days=2)
        events.append(small.event(f"{pupil}-aided", f"s-{pupil}", "i1", small.minutes(late, 0), True, hints=2))
        total = {"activity_type": "assessment"}
        events.append(small.event(f"{pupil}-total", f"s-{pupil}", "i2", small.minutes(late, 9), True, **total))
    small.write(settings, "silver.learner_activity", events)
    judged = [pupil for pupil in PUPILS if zlib.crc32(pupil.encode()) % 5 == 0]
    assert next_response_accuracy(settings, "framework", "share", RULE)["responses"] == 27 * len(judged)
    found = mastery_accuracy(settings, "framework", "share", RULE, has_policy=True)
    assert found["responses"] == 13 * len(judged)
    assert found["counted_of_scored_pct"] == pytest.approx(100 * 13 / 27, abs=0.06)
    assert found["pairs"] == found["pairs_with_enough_evidence"] == len(judged)
    bkt = mastery_accuracy(settings, "framework", "bkt", RULE, has_policy=True)
    assert bkt["mastered_pairs"] > 0
    assert bkt["next_answer"]["pairs"] > 0
    whole = counted_history(settings, small.minutes(START + timedelta(days=40), 0))
    assert (whole.user.size, len(whole.users)) == (13 * len(PUPILS), len(PUPILS))
    assert counted_history(settings, small.minutes(START + timedelta(days=1), 0)).user.size == len(PUPILS)
    with pytest.raises(CairnError, match="no counted evidence of before"):
        counted_history(settings, small.minutes(START, 0))
