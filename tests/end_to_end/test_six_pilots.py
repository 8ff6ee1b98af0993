"""Six simulated pilots from raw files and statements to their scorecards, by the code that the DAGs run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import loading
from benchmarks.simulated_pilots import card_of, simulated
from cairn.settings import Settings
from cairn.settings import settings as process_settings
from cli.main import main
from cli.simulate import draw_as_assign
from night import run as night
from pilots.plan import load_plan
from pilots.registry import freeze_file
from releases import evaluation, store
from simulator import generate
from simulator.pilot_kinds import DRAWN
from streaming.client import send
from streaming.sources import Mode, SourceRegistry
from tests.spark_jobs.intake_start import begin_at_present_end
from tests.streaming.gateway_process import running_gateway

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.broker, pytest.mark.warehouse, pytest.mark.timeout(900)]

# The demo's seed, and no search for another.
SCHOOLS, PUPILS_A_SCHOOL, DAYS, SEED = 82, 24, 30, 7
# Little beside the pilots: what they are judged by are tests and the time that their own sessions took.
ACTIVITY = 0.02


@dataclass(frozen=True)
class Judged:
    """By pilot: the truth, the published scorecards, and those of rows worked out from the simulated world."""

    truth: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    expected: dict[str, dict[str, Any]]


def load_files(settings: Settings, folder: Path) -> None:
    """What district systems hand over."""
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "calendar.yaml", settings.district_dir / "calendar.yaml")
    loading.load_roster(settings, folder / "roster")
    loading.load_competencies(settings, folder / "competencies.json")
    loading.load_items(settings, folder / "items.csv")
    for path in sorted((folder / "assessments").glob("*.csv")):
        loading.load_assessments(settings, path, "cairn_interim")
    for name in ("dosage", "costs", "milestones"):
        loading.load_facts(settings, folder / "facts" / f"{name}.csv", f"cairn_{name}")


def send_activity(settings: Settings, folder: Path) -> dict[str, int]:
    """Every line through the gateway, each source by itself."""
    registry = SourceRegistry(settings)
    for source in yaml.safe_load((folder / "sources.yaml").read_text())["sources"]:
        registry.add(source["source_id"], schools=source["schools"], save_token=True, mode=Mode(source["mode"]))
    registry.close()
    paths = sorted((folder / "activity").glob("*/*.jsonl.gz"))
    with running_gateway(settings), ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(lambda path: send(settings, path, path.name.split(".")[0]), paths))
    return {name: sum(count[name] for count in counts) for name in ("sent", "accepted")}


def draw_again(plan: Path) -> None:
    """``cairn pilots assign`` on the loaded roster, which records the set that was drawn from."""
    with pytest.raises(SystemExit) as done:
        main(["pilots", "assign", str(plan)])
    assert not done.value.code


def freeze(settings: Settings, plan: Path) -> None:
    """On the day on which the simulated district assigned its schools."""
    assigned = date.fromisoformat(load_plan(plan).analysis["assignment"]["assigned_on"])
    freeze_file(settings, plan, now=datetime.combine(assigned, time(12), UTC))


@pytest.fixture(scope="module")
def judged(broker: Settings, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("six") / "home"
    patch.setenv("CAIRN_HOME", str(home))
    patch.setenv("CAIRN_KAFKA_BOOTSTRAP", broker.kafka_bootstrap)
    process_settings.cache_clear()
    settings, folder = Settings(), home / "simulated"
    pupils = SCHOOLS * PUPILS_A_SCHOOL
    made = generate(folder, SCHOOLS, pupils, DAYS, SEED, pilots=6, draw=draw_as_assign, activity=ACTIVITY)
    assert made["pilots"] == 6
    load_files(settings, folder)
    for name in DRAWN:
        draw_again(folder / "pilots" / f"{name}.yaml")
    for path in sorted((folder / "pilots").glob("*.yaml")):
        freeze(settings, path)
    begin_at_present_end(settings)
    sent = send_activity(settings, folder)
    assert sent["sent"] == made["events"]
    night.run(settings, max(date.fromisoformat(path.name) for path in (folder / "activity").iterdir()))
    evaluation.build_and_publish(settings)
    with store.open_release(settings, "evaluation") as connection:
        rows = connection.execute("select pilot_id, scorecard_json from pilot_scorecard").fetchall()
    truth = json.loads((folder / "truth" / "pilots.json").read_text())["pilots"]
    world = simulated(SEED, SCHOOLS, pupils, DAYS, 6, ACTIVITY)
    yield Judged(
        {one["pilot_id"]: one for one in truth},
        {pilot: json.loads(text) for pilot, text in rows},
        {pilot: card_of(one) for pilot, one in world.items()},
    )
    patch.undo()
    process_settings.cache_clear()


def effect_of(card: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in card["estimates"] if one["name"] == "hedges_g"]
    return found[0]


def test_every_pilot_is_judged_and_none_fails(judged: Judged) -> None:
    assert sorted(judged.cards) == sorted(judged.truth)
    assert [name for name, card in judged.cards.items() if "failure" in card] == []
    assert not any(card["frozen"]["is_late"] for card in judged.cards.values())


def test_each_card_says_what_follows_from_the_world(judged: Judged) -> None:
    """The same pupils, scores and schools as the simulator has them, whatever way they came."""
    for name, card in judged.cards.items():
        expected = judged.expected[name]
        assert card["recommendation"] == expected["recommendation"], name
        assert effect_of(card)["value"] == pytest.approx(effect_of(expected)["value"], abs=1e-9), name
        assert card["rating"]["baseline_g"] == expected["rating"]["baseline_g"], name
        assert [one["pupils"] for one in card["schools"]] == [one["pupils"] for one in expected["schools"]], name


def test_two_schools_an_arm_cannot_tell(judged: Judged) -> None:
    card = judged.cards["number-talks"]
    assert card["recommendation"] == "CANNOT TELL"
    assert (card["how_sure"]["statements"], card["how_sure"]["p_value"]) == ([], None)


def test_a_large_harm_is_called_harm(judged: Judged) -> None:
    card, truth = judged.cards["screens-first"], judged.truth["screens-first"]
    assert card["recommendation"] == "HARM"
    effect = effect_of(card)
    assert effect["low"] < truth["effect_sd"] < effect["high"] < 0.0


def test_volunteers_who_were_ahead_are_no_comparison(judged: Judged) -> None:
    card = judged.cards["library-hour"]
    assert card["recommendation"] == "INVALID"
    assert card["rating"]["baseline_g"] > 0.25
    assert "not drawn at random" in card["why"][0]
    assert card["how_sure"]["statements"] == []


def test_six_schools_an_arm_claim_no_more_than_they_can_tell(judged: Judged) -> None:
    """One works by .15 SD, one does nothing: which word is said of either depends on the draw (simulator/README.md)."""
    for name in ("fraction-studio", "reading-companion"):
        card = judged.cards[name]
        assert card["recommendation"] in ("SCALE", "NEXT WAVE", "ITERATE", "STOP")
        assert abs(effect_of(card)["value"] - judged.truth[name]["effect_sd"]) < 0.45, "three errors of the estimate"
        assert any("misses smaller ones more often" in warning for warning in card["warnings"])


def test_waves_are_judged_by_the_staggered_path(judged: Judged) -> None:
    card, truth = judged.cards["peer-tutors"], judged.truth["peer-tutors"]
    assert card["waves"] is not None
    assert [(one["waves"], one["schools"]) for one in card["waves"]["groups"]] == [([1], 4), ([2], 4), ([3], 4)]
    assert [one["windows_since_start"] for one in card["waves"]["event_study"]] == [-2, -1, 0, 1, 2]
    assert abs(effect_of(card)["value"] - truth["effect_sd"]) < 0.20, "three errors of the estimate"
    assert 200 <= card["waves"]["orders"] <= 2000, "permuted over the very set that the order was drawn from"
    assert card["how_sure"]["smallest_p"] <= card["how_sure"]["p_value"] < 0.05


def test_the_time_comes_from_events_and_agrees_with_the_file(judged: Judged) -> None:
    for name, card in judged.cards.items():
        happened = card["did_it_happen"]
        assert happened["dosage_source"] == "stream", name
        assert happened["minutes_by_stream"] == pytest.approx(happened["minutes_by_files"], rel=0.10), name
        assert happened["comparison_minutes"] == 0.0
