"""What the truth files promise: parameters of each competency, true shares, and assessments that rest on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

from cairn.settings import REPOSITORY
from simulator import competency_truth, generate
from simulator.framework import DOMAINS
from simulator.outcomes import Outcomes, simulate_outcomes
from simulator.pilot_design import PilotTruth, design_pilots
from simulator.pupil_work import Work, simulate_work
from simulator.world import World, build_world

SCHOOLS, PUPILS, DAYS, SEED = 12, 900, 60, 7
KEY = ["student_id", "competency_id"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("truth") / "district"
    generate(out, SCHOOLS, PUPILS, DAYS, SEED)
    return out


@pytest.fixture(scope="module")
def shares(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "truth" / "shares.parquet")


def _simulate(schools: int, pupils: int, seed: int) -> tuple[World, Work, list[PilotTruth], Outcomes]:
    world = build_world(schools, pupils, DAYS, seed)
    pilots = design_pilots(world, seed)
    work = simulate_work(world, pilots, seed)
    return world, work, pilots, simulate_outcomes(world, work, pilots, seed)


def test_parameters_differ_by_competency_and_are_not_the_products_defaults(folder: Path) -> None:
    drawn = pd.read_parquet(folder / "truth" / "competencies.parquet")
    default = yaml.safe_load((REPOSITORY / "schemas" / "district" / "evidence.yaml").read_text())["model"]["default"]
    ranges = {"learn": competency_truth.LEARN, "guess": competency_truth.GUESS, "slip": competency_truth.SLIP}
    ranges["forget_daily"] = competency_truth.FORGET_DAILY
    for name, (low, high) in ranges.items():
        assert drawn[name].nunique() == 40
        assert drawn[name].between(low, high).all()
        assert drawn[name].max() - drawn[name].min() > (high - low) / 2, "the range is used"
        assert not low <= default[name.removesuffix("_daily")] <= high


def test_a_share_is_the_mean_chance_over_the_items(folder: Path, shares: pd.DataFrame) -> None:
    """Worked out again by hand from the files' parameters and abilities, for the last state of some pairs."""
    world = build_world(SCHOOLS, PUPILS, DAYS, SEED)
    drawn = pd.read_parquet(folder / "truth" / "competencies.parquet").set_index("competency_id")
    pupils = pd.read_parquet(folder / "truth" / "students.parquet").set_index("student_id")
    last = shares.drop_duplicates(KEY, keep="last").set_index(KEY).true_share
    states = pd.read_parquet(folder / "truth" / "states.parquet")
    assert len(last) == len(states) == PUPILS * 40
    for row in states.sample(200, random_state=1).itertuples():
        leaf = next(leaf for leaf in world.leaves if leaf.identifier == row.competency_id)
        one = drawn.loc[row.competency_id]
        ability = pupils.loc[row.student_id, f"ability_{leaf.subject}"]
        chance, by_ability, by_difficulty = (1 - one.slip, 0.3, 0.6) if row.known else (one.guess, 0.25, 0.4)
        difficulty = world.items.difficulty[world.items.competency == world.leaves.index(leaf)]
        logits = np.log(chance / (1 - chance)) + by_ability * ability - by_difficulty * difficulty
        assert last[row.student_id, row.competency_id] == pytest.approx((1 / (1 + np.exp(-logits))).mean(), abs=1e-5)


def test_shares_hold_from_the_first_day_one_row_a_day_that_changed_something(
    folder: Path, shares: pd.DataFrame
) -> None:
    assert shares.true_share.dtype == np.float32
    assert shares.true_share.between(0, 1).all()
    assert not shares.duplicated([*KEY, "date"]).any()
    assert shares.date.is_monotonic_increasing
    assert (shares.date == shares.date.min()).sum() == PUPILS * 40
    events = pd.read_parquet(folder / "truth" / "events.parquet")
    worked = events.dropna(subset=["competency_id"])[[*KEY, "work_date"]].drop_duplicates()
    rows = set(shares[[*KEY, "date"]].itertuples(index=False, name=None))
    assert set(worked.itertuples(index=False, name=None)) <= rows


def test_answers_come_out_right_as_often_as_the_share_says(folder: Path, shares: pd.DataFrame) -> None:
    """The first unaided answer of a day against the share as the day before ended."""
    events = pd.read_parquet(folder / "truth" / "events.parquet")
    attempts = events[events.counts_as == "attempt"].sort_values("event_time")
    first = attempts.drop_duplicates([*KEY, "work_date"])
    first = first[(first.hints == 0) & ~first.is_rapid].assign(date=lambda f: pd.to_datetime(f.work_date))
    before = shares.assign(date=pd.to_datetime(shares.date))
    joined = pd.merge_asof(first.sort_values("date"), before, on="date", by=KEY, allow_exact_matches=False).dropna(
        subset=["true_share"]
    )
    for knows in (False, True):
        inside = joined[(joined.true_share > 0.5) == knows]
        assert len(inside) > 2_000
        assert inside.score.mean() == pytest.approx(inside.true_share.mean(), abs=0.025)


def test_pupils_who_mastered_more_of_a_domain_score_higher_on_its_strand(folder: Path, shares: pd.DataFrame) -> None:
    """Within school and grade: a strand goes with the share of its own domain more than with that of another."""
    scores = pd.read_csv(folder / "assessments" / "winter.csv")
    scores = scores[scores.Subject == "math"].assign(date=lambda f: pd.to_datetime(f.TakenDate))
    world = build_world(SCHOOLS, PUPILS, DAYS, SEED)
    pupils = pd.read_parquet(folder / "truth" / "students.parquet").set_index("student_id")
    shares = shares.assign(date=pd.to_datetime(shares.date))
    known: dict[str, pd.Series] = {}
    for domain in ("NF", "OA"):  # by winter every class has been taught the first and has begun the second
        leaves = [leaf.identifier for leaf in world.leaves if leaf.domain == domain][:3]
        taken = scores[scores.Measure == "overall"][["StudentId", "date"]].rename(columns={"StudentId": "student_id"})
        asked = taken.merge(pd.DataFrame({"competency_id": leaves}), how="cross").sort_values("date")
        at_test = pd.merge_asof(asked, shares, on="date", by=KEY)
        known[DOMAINS["math"][domain][0]] = at_test.groupby("student_id").true_share.mean()
    measured = scores.pivot_table(index="StudentId", columns="Measure", values="ScaleScore")
    cell = pupils.school_id + pupils.grade.astype(str)

    def together(measure: str, domain: str) -> float:
        pair = pd.DataFrame({"score": measured[measure], "share": known[domain]}).dropna()
        return float((pair - pair.groupby(cell[pair.index]).transform("mean")).corr().loc["score", "share"])

    first, second = known
    assert together(first, first) > together(first, second) + 0.15
    assert together(second, second) > together(second, first) + 0.15
    assert min(together("overall", domain) for domain in known) > 0.4


def _school_sd(score: NDArray[np.float64], grade: NDArray[np.int64], school: NDArray[np.int64]) -> tuple[float, float]:
    """SD between schools and SD of pupils, grades apart, in points; the square of their quotient is the intraclass
    correlation."""
    frame = pd.DataFrame({"score": score, "grade": grade, "school": school}).dropna()
    frame["score"] -= frame.groupby("grade").score.transform("mean")
    by_school = frame.groupby("school").score
    size = len(frame) / by_school.ngroups  # schools are of the same size but for a pupil
    within = float((frame.score - by_school.transform("mean")).pow(2).sum() / (len(frame) - by_school.ngroups))
    between = max(0.0, (size * float(by_school.mean().var()) - within) / size)
    return float(np.sqrt(between)), float(np.sqrt(between + within))


def test_schools_differ_by_as_much_as_schools_do() -> None:
    world, _, _, outcomes = _simulate(200, 8_000, SEED)
    grade, school = world.students.grade, world.students.school
    for subject in range(2):
        for score in outcomes.score[:, subject]:
            between, total = _school_sd(score, grade, school)
            assert 0.15 <= between / total <= 0.25
        fall, winter = outcomes.score[:, subject]
        growth, _ = _school_sd(winter - fall, grade, school)
        assert 0.12 <= growth / _school_sd(winter, grade, school)[1] <= 0.20


def test_a_pilots_effect_is_its_size_whatever_part_of_it_was_learned() -> None:
    world, work, pilots, outcomes = _simulate(SCHOOLS, PUPILS, SEED)
    works = pilots[0]
    assert 0.05 <= works.effect_sd <= 0.15
    assert [pilot.effect_sd for pilot in pilots[1:]] == [0.0]
    untouched = replace(work, states=replace(work.states, known=work.states.known_without))
    without = simulate_outcomes(world, untouched, [], SEED)
    gain = (outcomes.score - without.score)[1]
    inside = np.isin(world.students.school, works.pool)
    spread = float(np.nanstd(without.score[1, works.subject, inside]))
    assert np.nanmean(gain[works.subject, works.is_treated]) / spread == pytest.approx(works.effect_sd, abs=0.01)
    assert np.nanmax(np.abs(gain[:, ~works.is_treated])) == 0.0
    assert 0.0 < outcomes.learning_points[works.pilot_id] < outcomes.effect_points[works.pilot_id]


def test_with_a_pilot_nobody_knows_less_and_nobody_outside_it_knows_more() -> None:
    _, work, pilots, _ = _simulate(SCHOOLS, PUPILS, SEED)
    last = np.full(PUPILS, DAYS - 1)
    known, without = (work.states.at_end_of(last, 40, without_pilots=which) for which in (False, True))
    np.testing.assert_array_equal(known, work.known)
    more = known & ~without
    assert not (without & ~known).any()
    assert more[pilots[0].is_treated].any()
    assert not more[~pilots[0].is_treated].any()
    assert not more[:, 20:].any(), "the pilot in reading teaches nobody"
