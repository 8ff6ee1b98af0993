"""One number, one function: mart, command, metrics and scorecard say the same of a pilot; pages print these."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import duckdb
import pandas as pd
import pytest

from answers.as_published import as_published
from answers.pilot_answers import load_rollout, load_rollout_parts, load_scorecard
from answers.pinned_releases import Reader
from answers.published_numbers import Numbers, text
from answers.scorecard_parts import present
from cairn.protection.rules import Rules
from cairn.settings import Settings
from pilots.rollout import figures, more_metrics, why_empty
from portal.pages_rollout import pilots_of
from releases import evaluation, evaluation_shown, publications, store
from releases.learning_marts import frame, release_of
from tests.pilots.released_pilots import DAY, release_pilots
from tests.pilots.simulated_marts import simulated_pilots

N_MIN = 10
PILOT = "reading-companion"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One pilot's evaluation, with joiners, in a release that has the marts of reach and of grades."""
    settings = Settings(home=tmp_path_factory.mktemp("rollout"))
    release = release_pilots(settings, {PILOT: simulated_pilots(seed=7)[PILOT]})
    with duckdb.connect(str(release.path)) as connection:
        began = DAY - timedelta(days=60)
        connection.execute(
            "create table mart_rollout_reach as select pilot_id, school_id, ?::date as on_date, 1 as schools_planned,"
            " 1 as schools_reached, 2 as classes_planned, 1 as classes_reached, pupils_planned::int as pupils_planned,"
            " pupils_reached::int as pupils_reached from mart_rollout_school",
            [began],
        )
        connection.execute(
            "create table mart_rollout_group as select pilot_id, school_id, 'grade' as grouping_name,"
            " grade as group_name, count(*)::int as pupils_planned,"
            " count(*) filter (where dosage_minutes > 0)::int as pupils_reached"
            " from mart_pilot_pupil where arm = 'treatment' and not is_joiner group by all"
        )
    evaluation.build_and_publish(settings)
    assert publications.make(settings, "evaluation").state in (publications.MADE, publications.STANDS)
    return settings


def test_every_page_and_the_mart_say_the_same_of_a_pilot(evaluated: Settings) -> None:
    opened = Reader(evaluated).current("evaluation")
    card = load_scorecard(opened, PILOT)
    assert opened is not None and card is not None
    with store.connect(evaluated, release_of(evaluated)) as source:
        mart, pupils = frame(source, "mart_rollout_school", PILOT), frame(source, "mart_pilot_pupil", PILOT)
    said = asdict(figures(mart))
    treated = pupils[(pupils.arm == "treatment") & ~pupils.is_joiner]
    assert len(treated) < (pupils.arm == "treatment").sum(), "there are joiners, who are not counted"
    assert said["pupils_planned"] == len(treated)
    assert said["dosage_minutes_mean"] == pytest.approx(treated.dosage_minutes.mean(), abs=1e-3)

    metrics, _ = load_rollout(opened)
    assert {row["name"]: row["value"] for row in metrics if row["scope"] == f"pilot:{PILOT}"} == said
    shown = {
        row["name"]: row["value"] for row in evaluation_shown.rollout(evaluated)["metrics"] if "pilot" in row["scope"]
    }
    assert shown == said, "the command"
    happened = card["did_it_happen"]
    assert happened["mean_minutes"] == said["dosage_minutes_mean"]
    assert happened["dosage_met_share"] == said["dosage_met_share"]
    for name in ("milestones_planned", "milestones_done", "milestones_late"):
        assert happened[name] == said[name]
    assert card["cost"]["total_usd"] == said["cost_usd"]
    assert card["cost"]["per_pupil_usd"] == said["cost_per_pupil_usd"]
    (share,) = [one["value"] for one in card["estimates"] if one["name"] == "dosage_met_share"]
    assert share == said["dosage_met_share"]
    assert all(value <= 1 for name, value in said.items() if name.endswith("_share"))


def test_the_course_and_the_grades_add_up_to_the_metrics(evaluated: Settings) -> None:
    opened = Reader(evaluated).current("evaluation")
    parts = load_rollout_parts(opened)
    metrics = {row["name"]: row["value"] for row in load_rollout(opened)[0]}
    last = {row["unit"]: row for row in parts["course"]}
    assert (last["pupils"]["planned"], last["pupils"]["reached"]) == (
        metrics["pupils_planned"],
        metrics["pupils_reached"],
    )
    assert last["schools"]["planned"] == metrics["schools"]
    assert sum(row["pupils_planned"] for row in parts["groups"]) == metrics["pupils_planned"]
    assert {row["unit"]: row["code"] for row in parts["forecast"]} == {
        "schools": "reached",
        "classes": "too_few_dates",
        "pupils": "reached",
    }


def test_both_pages_print_one_published_number(evaluated: Settings) -> None:
    """The review saw 89 and 90 %, 536 and 542 minutes, $66.87 and $66.34 on two pages."""
    opened, numbers, rules = (
        Reader(evaluated).current("evaluation"),
        Numbers(as_published(evaluated)),
        Rules(N_MIN, N_MIN),
    )
    pilot, card = pilots_of(opened, numbers, rules)[0], load_scorecard(opened, PILOT)
    assert card is not None
    shown, figures_told = present(card, rules, numbers), dict(pilot["figures"])
    told = shown["did_it_happen"]["told"]
    assert (
        figures_told["Pupils with the planned time"]
        == told["dosage_met_share"]
        == dict(shown["happened_told"])["Pupils with the planned time"]
    )
    assert figures_told["Minutes, mean"] == told["dosage_minutes_mean"] != "–"
    assert figures_told["Cost for each planned pupil"] == dict(shown["cost_told"])["Cost for each planned pupil"]
    said = f"{text(numbers.pilot(PILOT), 'pupils_reached')} of {figures_told['Pupils planned']} planned pupils reached"
    assert said in pilot["pictures"][0].alt and "or more" in said
    drawn = {picture.title: picture.svg for picture in pilot["pictures"]}
    assert set(drawn) == {"Reached by date against plan", "Minutes by school", "Reach by group"}
    for chart in drawn.values():
        assert chart is None or (chart.startswith("<svg aria-hidden") and "<script" not in chart)
    assert pilots_of(None, numbers, rules) == []


def test_a_cost_without_anybody_known_to_be_reached_is_in_no_cost_of_one_reached() -> None:
    """Pilot b sent its cost and no dosage: over both, 100 pupils cost 1,000 dollars, and those reached are of a."""
    columns = [*figures(pd.DataFrame()).__dict__, "pilot_id", "school_id"]
    rows = [
        {"pilot_id": "a", "school_id": "s1", "pupils_planned": 50, "pupils_reached": 40, "cost_usd": 400.0},
        {"pilot_id": "b", "school_id": "s2", "pupils_planned": 50, "pupils_reached": None, "cost_usd": 600.0},
    ]
    said = figures(pd.DataFrame(rows, columns=columns))
    assert (said.cost_per_pupil_usd, said.cost_per_pupil_reached_usd) == (10.0, 10.0)
    assert figures(pd.DataFrame(rows[1:], columns=columns)).cost_per_pupil_reached_usd is None


@pytest.mark.parametrize(
    ("barriers", "said"),
    [
        ([{"pilot_id": "a", "closed_date": DAY, "days_open": 4}], {"barrier_days_open_max": "no barrier is open"}),
        ([], {"barriers_open": "the plan names none", "barrier_days_open_max": "the plan names none"}),
        ([{"pilot_id": "a", "closed_date": None, "days_open": 4}], {}),
    ],
)
def test_why_no_barrier_is_told_of_is_said(barriers: list[dict[str, object]], said: dict[str, str]) -> None:
    parts: dict[str, list[dict[str, object]]] = {"rollout_school": [{"pilot_id": "a"}], "rollout_barrier": barriers}
    values = {row["name"]: row["value"] for row in more_metrics(parts) if row["scope"] == "pilot:a"}
    why = {name: why_empty(name, {}, values["barriers_open"]) for name, value in values.items() if value is None}
    assert why == said
