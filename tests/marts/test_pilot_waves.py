"""A pilot in three waves, from loaded files to its published card: held against the same worked out by hand.

The order is drawn by the product's own draw, assessments are files that its loader reads, marts are dbt's models, the
card is that of the evaluation that is published.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import duckdb
import numpy as np
import pytest
import yaml

import loading
from answers.pilot_answers import load_scorecard
from answers.pinned_releases import Reader
from answers.scorecard_parts import present
from cairn.errors import CairnError
from cairn.protection.rules import Rules
from cairn.settings import Settings
from pilots import assignment, registry, school_traits
from pilots.draft import read_draft
from pilots.plan import load_plan
from portal.card_files import write_cards
from portal.charts import drawn
from releases import evaluation, evaluation_shown, pilot_scores, store
from releases.learning_marts import frame, release_of
from tests.marts.loaded_roster import load_people
from tests.marts.pilot_sql import built
from tests.pilots.made_districts import EXAMPLE
from tests.pilots.released_pilots import release_marts

PILOT, TEST, DATA_DATE = "in-waves", "District Interim", date(2026, 11, 10)
SCHOOLS = [f"sch-{number:02d}" for number in range(1, 16)]
IN_WAVES, A_SCHOOL, EFFECT_POINTS = 9, 10, 12.0
# Window as the file calls it, as the results do, first and last day.
WINDOWS = [
    ("Fall", "fall", "2026-08-24", "2026-08-28"),
    ("Check", "other", "2026-09-14", "2026-09-18"),
    ("Winter", "winter", "2026-10-05", "2026-10-09"),
    ("Spring", "spring", "2026-10-26", "2026-10-30"),
]
STARTS = ["2026-08-31", "2026-09-21", "2026-10-12"]
ROSTER_KNOWN = datetime(2026, 8, 18, tzinfo=UTC)
LATE, MAKE_UP = f"{SCHOOLS[0]}-p0", f"{SCHOOLS[1]}-p1"
Scores = list[dict[str, float]]


def write_draft(path: Path) -> None:
    """The example's plan before its draw: which schools, how many, in three waves."""
    raw = yaml.safe_load(EXAMPLE.read_text())
    part = raw["analysis"]
    raw["pilot_id"], part["subject"], part["grades"] = PILOT, "Mathematics", ["05"]
    part["assignment"] = {"method": "random", "assigned_on": "2026-08-18"}
    part["arms"] = {"treatment": SCHOOLS[:IN_WAVES], "comparison": SCHOOLS[IN_WAVES:]}
    part["wave_starts"] = STARTS
    for name in ("guardrails", "class_subjects", "proficient_from"):
        part.pop(name, None)
    windows = [
        {"assessment": TEST, "window": name, "measure": "overall", "from_date": first, "to_date": last}
        for _, name, first, last in WINDOWS
    ]
    part["baseline"], part["outcome"] = windows[0], windows[-1] | {"is_made_by_the_tool": False}
    part["between"] = [windows[1] | {"make_up_days": 2}, windows[2]]
    raw["implementation"] |= {"starts_on": STARTS[0], "ends_on": "2026-10-30", "milestones": []}
    raw["implementation"].pop("dosage", None)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(raw, default=str)), sort_keys=False))


def draw_and_freeze(settings: Settings, path: Path) -> assignment.Draw:
    """Draw the order, paste what the draw prints into the plan, and freeze it."""
    draft = read_draft(path, known_schools=SCHOOLS)
    traits = school_traits.from_lake(settings, draft, date(2026, 8, 18))
    draw, _ = assignment.assign(settings, draft, traits, seed=5)
    raw, drawn_part = yaml.safe_load(path.read_text()), yaml.safe_load(assignment.as_yaml(draw, []))["analysis"]
    raw["analysis"] |= drawn_part | {"assignment": raw["analysis"]["assignment"] | drawn_part["assignment"]}
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    registry.freeze(settings, load_plan(path), datetime(2026, 8, 20, tzinfo=UTC))
    return draw


def load_scores(settings: Settings, path: Path, waves: dict[str, int]) -> Scores:
    """Every pupil in every window, more by the effect from her school's start on; the scores as they must count."""
    draw = np.random.default_rng(11)
    scores: Scores = [{} for _ in WINDOWS]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["StudentId", "Assessment", "Subject", "Window", "TakenDate", "Measure", "ScaleScore"])
        for school in SCHOOLS:
            level = draw.normal(0, 4)
            for number in range(A_SCHOOL):
                pupil, ability = f"{school}-p{number}", draw.normal(0, 16)
                for place, (shown, _, first, last) in enumerate(WINDOWS):
                    begun = waves.get(school, 99) <= place
                    gain = EFFECT_POINTS * begun
                    score = round(450 + 6 * place + level + ability + draw.normal(0, 6) + gain, 1)
                    day = first if number % 2 else last
                    if place == 1 and pupil in (LATE, MAKE_UP):
                        day = "2026-09-22" if pupil == LATE else "2026-09-20"
                    if pupil != LATE:
                        scores[place][pupil] = score
                    writer.writerow([pupil, TEST, "MATHEMATICS", shown, day, "overall", score])
    result = loading.load_assessments(settings, path, "cairn_interim", recorded_at=datetime(2026, 11, 2, tzinfo=UTC))
    assert (result["rejected"], result["added"]) == (0, len(WINDOWS) * len(SCHOOLS) * A_SCHOOL), result
    return scores


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, assignment.Draw, Scores]]:
    """The district after its last window, its pilot evaluated and published."""
    folder = tmp_path_factory.mktemp("waves")
    settings = Settings(home=folder / "home")
    people = {f"{school}-p{number}": (school, "05") for school in SCHOOLS for number in range(A_SCHOOL)}
    load_people(settings, folder / "roster", people, ROSTER_KNOWN)
    write_draft(folder / "plan.yaml")
    draw = draw_and_freeze(settings, folder / "plan.yaml")
    scores = load_scores(settings, folder / "scores.csv", draw.waves)
    with built(settings, DATA_DATE) as connection:
        names = ("mart_pilot_pupil", "mart_pilot_school", "mart_pilot_window", "mart_rollout_school")
        release_marts(settings, {name: connection.execute(f"select * from {name}").df() for name in names})
        same = (
            "select count(*) from mart_pilot_window as score"
            " inner join mart_pilot_pupil as pupil using (pilot_id, student_key)"
            " where (part = 'baseline' and score is distinct from baseline_score)"
            " or (part = 'outcome' and score is distinct from outcome_score)"
        )
        assert connection.execute(same).fetchall() == [(0,)], "baseline and outcome are the same in both marts"
        windows = connection.execute(
            "select window_number, part, window_name, count(score), count(*) filter (where is_only_outside)"
            " from mart_pilot_window group by all order by 1"
        ).fetchall()
        everybody = len(people)
        assert windows == [
            (1, "baseline", "fall", everybody, 0),
            (2, "between", "other", everybody - 1, 1),
            (3, "between", "winter", everybody, 0),
            (4, "outcome", "spring", everybody, 0),
        ]
    evaluation.build_and_publish(settings)
    yield settings, draw, scores


def card_of(settings: Settings) -> dict[str, Any]:
    """The card as it is published."""
    card = load_scorecard(Reader(settings).current("evaluation"), PILOT)
    assert card is not None
    return card


def school_scores(scores: Scores, order: dict[str, int]) -> list[dict[str, float]]:
    """Mean standard score by window and school: points from the grade's mean, over the SD of pupils of schools that
    ``order`` holds back."""
    found = []
    for window in scores:
        mean = fmean(window.values())
        sd = stdev(score for pupil, score in window.items() if not order[pupil[:6]])
        found.append(
            {
                school: fmean((score - mean) / sd for pupil, score in window.items() if pupil.startswith(school))
                for school in SCHOOLS
            }
        )
    return found


def effects(means: list[dict[str, float]], order: dict[str, int]) -> dict[tuple[int, int], float]:
    """(wave, window from 0) to the change of the wave's schools since the window before they started, less that of the
    schools held back: two by two differences, nothing else."""

    def change(schools: list[str], before: int, after: int) -> float:
        return fmean(means[after][one] - means[before][one] for one in schools)

    never = [school for school in SCHOOLS if not order[school]]
    return {
        (wave, window): change([one for one in SCHOOLS if order[one] == wave], wave - 1, window)
        - change(never, wave - 1, window)
        for wave in (1, 2, 3)
        for window in range(wave, len(WINDOWS))
    }


def test_the_published_effect_is_that_of_two_by_two_differences(
    evaluated: tuple[Settings, assignment.Draw, Scores],
) -> None:
    settings, draw, scores = evaluated
    card = card_of(settings)
    order = dict(zip(SCHOOLS, (int(one) for one in draw.orders[draw.drawn]), strict=True))
    assert sorted(order.values()) == [0] * 6 + [1] * 3 + [2] * 3 + [3] * 3
    means = school_scores(scores, order)
    cells = effects(means, order)
    # Waves are alike in size, so the average over cells is that over schools.
    assert card["estimates"][0]["value"] == pytest.approx(fmean(cells.values()), abs=1e-9)
    by_wave = {wave: fmean(value for (of, _), value in cells.items() if of == wave) for wave in (1, 2, 3)}
    groups = card["waves"]["groups"]
    assert [group["waves"] for group in groups] == [[1], [2], [3]]
    assert [group["effect_sd"] for group in groups] == pytest.approx(list(by_wave.values()), abs=1e-9)
    assert [group["school_ids"] for group in groups] == [
        [school for school in SCHOOLS if order[school] == wave] for wave in (1, 2, 3)
    ]
    for since in (0, 1, 2):
        expected = fmean(value for (wave, window), value in cells.items() if window - wave == since)
        [event] = [one for one in card["waves"]["event_study"] if one["windows_since_start"] == since]
        assert event["effect_sd"] == pytest.approx(expected, abs=1e-9)
    interval = card["estimates"][0]
    assert interval["low"] < EFFECT_POINTS / 17 < interval["high"]
    assert interval["low"] > 0, "an effect of two thirds of an SD is seen in nine schools"


def test_p_is_counted_over_the_orders_that_were_drawn_from(evaluated: tuple[Settings, assignment.Draw, Scores]) -> None:
    """Scores keep their scale: it is that of the pupils who were really held back."""
    settings, draw, scores = evaluated
    assert len(draw.orders) >= 200
    means = school_scores(scores, dict(zip(SCHOOLS, draw.orders[draw.drawn].tolist(), strict=True)))
    found = [
        abs(fmean(effects(means, dict(zip(SCHOOLS, order, strict=True))).values())) for order in draw.orders.tolist()
    ]
    real = found[draw.drawn]
    how = card_of(settings)["how_sure"]
    assert how["p_value"] == pytest.approx(sum(one >= real - 1e-12 for one in found) / len(found))
    assert how["smallest_p"] == pytest.approx(1 / len(found))
    assert "permuted" in how["method"]


def test_the_card_says_who_started_when_and_what_was_left_out(
    evaluated: tuple[Settings, assignment.Draw, Scores],
) -> None:
    settings, draw, _ = evaluated
    card = card_of(settings)
    said = " ".join(card["waves"]["sentences"])
    first = ", ".join(school for school in SCHOOLS if draw.waves.get(school) == 1)
    assert f"Wave 1: 3 schools started on 2026-08-31 ({first}); the window from 2026-09-14 is the first" in said
    assert "the 6 schools that never start" in said
    assert "Wave 1 had fewer than 2 windows before the start" in said
    assert f"over the {len(draw.orders):,} orders of the waves of which one was drawn" in said
    warned = " ".join(card["warnings"])
    assert "1 pupils were tested outside 2026-09-14 to 2026-09-20, a window between" in warned
    assert "1 of 150 pupils with both scores lack one of the windows between" in warned
    assert "not exact" not in warned
    assert "cohort" not in warned


def test_page_and_pdf_have_the_waves(evaluated: tuple[Settings, assignment.Draw, Scores], tmp_path: Path) -> None:
    settings, _, _ = evaluated
    card = card_of(settings)
    *_, page = write_cards(settings, [card], tmp_path)
    html = unescape(page.read_text())
    assert all(sentence in html for sentence in card["waves"]["sentences"])
    assert "Windows since the start" in html, "the picture"
    assert "Effect in SD by windows since a school started: 2 windows before" in html, "what it says"
    [table] = re.findall("<caption>Effect of each wave</caption>.*?</table>", html, re.DOTALL)
    assert [(wave, day) for wave, day in re.findall('<th scope="row">(\\d)</th><td>([-\\d]+)</td>', table)] == [
        (str(wave), day) for wave, day in enumerate(STARTS, start=1)
    ]
    [before] = [one for one in present(card, Rules(10, 10))["health"] if one.name == "Before the waves started"]
    p_value = card["waves"]["pre_trend"]["p_value"]
    assert before.level == ("good" if p_value >= 0.10 else "care")
    assert "Of wave 1 too little is known before." in before.says
    # A link at the top names the section, then its heading.
    first_screen, _, method = html.rpartition("The numbers behind it")
    assert not re.search(r"\(p [0-9<]|p-value", first_screen)
    assert f"<dt>p of waves moving otherwise before they started</dt><dd>{p_value:.2f}</dd>" in method
    assert before.says in html
    assert page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    # What may be read as an effect nowhere may be read as one of a wave either.
    short = present(card | {"how_sure": card["how_sure"] | {"statements": []}}, Rules(10, 10))
    assert drawn(short)["waves"] is None


def test_the_draw_is_replayed_by_its_seed(evaluated: tuple[Settings, assignment.Draw, Scores], tmp_path: Path) -> None:
    settings, draw, _ = evaluated
    write_draft(tmp_path / "plan.yaml")
    draft = read_draft(tmp_path / "plan.yaml", known_schools=SCHOOLS)
    standing, is_new = assignment.assign(
        settings, draft, school_traits.from_lake(settings, draft, date(2026, 8, 18)), seed=5
    )
    assert not is_new
    assert (standing.orders == draw.orders).all()
    assert standing.waves == draw.waves


def test_a_window_in_another_unit_is_refused_and_a_release_without_the_mart_is_said(
    evaluated: tuple[Settings, assignment.Draw, Scores],
) -> None:
    settings, _, _ = evaluated
    plan, learning = registry.frozen_plan(settings, PILOT).plan, release_of(settings)
    with store.connect(settings, learning) as source:
        pupils, schools, windows = (frame(source, f"mart_pilot_{name}") for name in ("pupil", "school", "window"))
    pilot_scores.refuse(plan, pupils, schools, windows)
    in_hundredths = windows.assign(score=windows.score.where(windows.window_number != 3, windows.score * 100))
    with pytest.raises(CairnError, match="the window from 2026-10-05 of 'District Interim' are not in one unit"):
        pilot_scores.refuse(plan, pupils, schools, in_hundredths)
    with duckdb.connect(str(learning.path)) as connection:
        connection.execute("alter table mart_pilot_window rename to away")
    try:
        card = evaluation_shown.evaluate(settings, PILOT)
    finally:
        with duckdb.connect(str(learning.path)) as connection:
            connection.execute("alter table away rename to mart_pilot_window")
    assert (card["recommendation"], card["waves"]) == ("CANNOT TELL", None)
    assert "the next night brings them" in card["why"][0]
    assert evaluation_shown.evaluate(settings, PILOT)["estimates"] == card_of(settings)["estimates"], (
        "the command says it too"
    )
