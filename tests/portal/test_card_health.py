"""Six cards of known truth, and the health of a card: unequal evidence must not look equal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answers import wording
from answers.card_health import WORDS, health
from answers.scorecard_parts import present
from cairn.protection.rules import Rules
from cairn.settings import Settings
from pilots.decision import DECISIONS
from pilots.six_pilots import SEED, SIX, made_card, six_cards
from portal.card_files import write_cards
from portal.charts import drawn, effect_chart
from tests.portal.fixture_pilots import scorecard

Cards = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def cards() -> Cards:
    """The six by name, and beside them the two that looked sound: unlike groups, and hardly any of it done."""
    nothing = next(truth for truth in SIX if truth.name == "does-nothing")
    hardly = replace(nothing, name="hardly-done", dosage_share=0.78)
    made = [*six_cards(), made_card(hardly, np.random.default_rng([SEED, 1]))]
    return {card["pilot_id"]: card for card in made}


@pytest.fixture(scope="module")
def folder(cards: Cards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cards as files."""
    found = tmp_path_factory.mktemp("cards")
    write_cards(Settings(home=found / "home"), list(cards.values()), found)
    return found


def checks(card: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The health of a card: name -> word and sentence."""
    return {one.name: (one.word, one.says) for one in present(card, Rules(10, 10))["health"]}


def test_what_the_truth_does_not_allow_is_not_said(cards: Cards) -> None:
    """One seed, not searched for: which judgement comes out is chance, that none comes where none may is not."""
    said = {name: card["recommendation"] for name, card in cards.items()}
    assert (said["three-schools"], said["volunteers"], said["before-window"]) == (
        "CANNOT TELL",
        "INVALID",
        "TOO EARLY",
    )
    assert said["harms"] == "HARM" and said["does-nothing"] != "SCALE"
    assert said["works"] not in ("HARM", "STOP")


def test_an_effect_is_drawn_only_where_a_chance_is_told(cards: Cards) -> None:
    for name, card in cards.items():
        shown = present(card, Rules(10, 10))
        assert (drawn(shown)["effect"] is not None) == bool(card["how_sure"]["statements"]), name
    assert [name for name in cards if not cards[name]["how_sure"]["statements"]] == [
        "three-schools",
        "volunteers",
        "before-window",
    ]


def test_three_schools_do_not_look_like_twenty(cards: Cards) -> None:
    """Filled marks are schools; places up to six that are empty are broken outlines."""
    few, many = (str(drawn(present(cards[name], Rules(10, 10)))["counted"]) for name in ("three-schools", "works"))
    assert (few.count("<circle"), few.count("stroke-dasharray"), "3 of the 6 needed" in few) == (6, 6, True)
    assert (many.count("<circle"), many.count("stroke-dasharray")) == (20, 0)
    early = str(drawn(present(cards["before-window"], Rules(10, 10)))["counted"])
    assert early == many, "before the outcomes the plan's schools are counted"


@settings(max_examples=12, deadline=None)  # each draws a picture
@given(st.floats(-0.5, 0.5), st.floats(0.01, 0.5))
def test_intervals_of_two_cards_are_as_long_as_they_are(effect: float, half: float) -> None:
    """One scale: the longest interval that a card of a usual size has is no longer than the picture of another's."""
    card = scorecard("p", "SCALE", "0" * 64, "r", "2026-10-15")
    card["estimates"] = [card["estimates"][0] | {"value": effect, "low": effect - half, "high": effect + half}]
    from_edges = max(0.6, abs(effect) + half)
    svg = str(drawn_effect(card))
    ticks = [float(one.replace("\u2212", "-")) for one in re.findall(r">(\u2212?\d\.\d)<", svg)]
    assert ticks and max(map(abs, ticks)) <= from_edges + 0.1 + 1e-9
    assert max(ticks) >= 0.4, "never a scale of its own for a short interval"


def drawn_effect(card: dict[str, Any]) -> str | None:
    """The effect's chart of a card as an evaluation has it."""
    return effect_chart(present(card, Rules(10, 10)))


def test_what_has_no_bounds_is_a_broken_line_and_not_another_estimates_interval(cards: Cards) -> None:
    card = dict(cards["works"])
    card["how_sure"] = card["how_sure"] | {"interval_is_unbounded": True}
    open_ended = {"low": None, "high": None}
    card["estimates"] = [one | open_ended if one["name"] == "hedges_g" else one for one in card["estimates"]]
    assert str(drawn_effect(card)).count('stroke-dasharray="6,5"') == 1
    assert "no bounds" in present(card, Rules(10, 10))["effect_told"]


def test_hardly_done_is_not_tested(cards: Cards) -> None:
    card = cards["hardly-done"]
    assert card["did_it_happen"]["dosage_met_share"] == pytest.approx(0.12, abs=0.02)
    assert card["recommendation"] == "STOP" and "not tested as intended" in card["recommendation_text"]
    word, says = checks(card)["Tried as intended"]
    assert word == "Bad" and "not tested as intended" in says
    shown = present(card, Rules(10, 10))
    assert "tried as intended (bad)" in shown["read_with"] and shown["told"] == "Stop, as delivered"
    done = card | {"did_it_happen": card["did_it_happen"] | {"dosage_met_share": 0.9}}
    assert present(done, Rules(10, 10))["told"] == "Stop"


@pytest.mark.parametrize(("g", "word"), [(0.05, "Good"), (-0.06, "Look"), (0.25, "Look"), (-0.26, "Bad")])
def test_groups_apart_at_the_start_are_said_beside_scale(g: float, word: str) -> None:
    card = scorecard("p", "SCALE", "0" * 64, "r", "2026-10-15")
    card["rating"]["baseline_g"] = g
    found, says = checks(card)["Groups at the start"]
    assert found == word and f"{abs(g):.2f} SD" in says
    assert ("groups at the start" in (present(card, Rules(10, 10))["read_with"] or "")) == (word != "Good")


def test_a_rating_tells_shares_of_pupils_as_the_page_does(cards: Cards) -> None:
    """To a tenth of a per cent, and with what the boundary allows at it, they told how many pupils were lost."""
    exact = " ".join(cards["works"]["rating"]["reasons"])
    assert re.search(r"attrition of pupils.*: [\d.]+ % overall and [\d.]+ points between arms", exact)
    told = " ".join(present(cards["works"], Rules(10, 10))["rating_told"]["reasons"])
    (said,) = re.findall(r"attrition of pupils[^:]*: (.*?) between arms(.)", told)
    assert not re.search(r"\d\.\d", said[0]) and said[1] != ";" and "attrition of schools is low: 0.0 %" in told


SHARES = st.none() | st.floats(0, 1)


@settings(deadline=None)  # the first draws a picture on a machine that may be busy
@given(
    st.sampled_from(DECISIONS),
    SHARES,
    st.none() | st.floats(-1, 1),
    st.none() | st.integers(0, 60),
    st.booleans(),
    st.lists(st.sampled_from(["safe", "open", "failed", "not measured"]), max_size=3),
    st.none() | st.booleans(),
)
def test_every_card_has_eight_checks_each_with_a_word_and_a_sentence(
    said: str,
    share: float | None,
    g: float | None,
    schools: int | None,
    has_chances: bool,
    guardrails: list[str],
    is_late: bool | None,
) -> None:
    """Whatever is missing, a check says so: none is left out, none is a number without a word."""
    card = scorecard("p", said, "0" * 64, "r", "2026-10-15")
    card["did_it_happen"]["dosage_met_share"] = share
    card["rating"] = {"baseline_g": g}
    card["how_sure"] |= {"schools_treatment": schools, "schools_comparison": schools}
    if not has_chances:
        card["how_sure"] |= {"statements": [], "sensitivity": []}
    card["guardrails"] = [{"name": f"g{n}", "status": one, "sentence": "x"} for n, one in enumerate(guardrails)]
    if is_late is not None:
        card["frozen"] = {"at": "2026-08-10T15:00:00+00:00", "is_late": is_late, "amendments": []}
    found = health(present(card, Rules(10, 10)))
    assert len(found) == 8 and len({one.name for one in found}) == 8
    for one in found:
        assert one.word == WORDS[one.level] and one.says.endswith(".")
        assert not re.search(r"\bnan\b|None", one.says), one
    levels = {one.name: one.level for one in found}
    assert (levels["Tried as intended"] == "good") == (share is not None and share >= 0.60)
    assert (levels["Side effects"] == "bad") == ("failed" in guardrails)
    assert (levels["Plan frozen"] == "bad") == bool(is_late)


def test_pages_say_their_health_before_anything_else(cards: Cards, folder: Path) -> None:
    for name, card in cards.items():
        page = (folder / f"{name}.html").read_text()
        first = page[: page.index(">Why</h2>")]
        for check, (word, says) in checks(card).items():
            assert check in first and says.replace("'", "&#39;") in first and f"</span>{word}</span>" in first
        assert not re.search(r"p-value|\(p [0-9<]", page[: page.rindex("The numbers behind it")])
        assert 'src="/' not in page and 'href="/' not in page, "opens without a portal"
    assert 'class="verdict open"' in (folder / "index.html").read_text()


def test_pdfs_are_tagged_titled_in_english_with_their_fonts_in_them(cards: Cards, folder: Path) -> None:
    """PDF/UA-1: the structure tree, the title shown, the language, and every font that is named embedded."""
    for name in cards:
        pdf = (folder / f"{name}.pdf").read_bytes()
        for part in (b"/StructTreeRoot", b"/Marked true", b"pdfuaid:part", b"/Lang(en)", b"/DisplayDocTitle true"):
            assert part in pdf, (name, part)
        assert b"<dc:title>" in pdf and cards[name]["title"].split(" (")[0].encode() in pdf
        descriptors = len(re.findall(rb"/Type/FontDescriptor", pdf))
        assert descriptors == len(re.findall(rb"/FontFile3 ", pdf)) > 0, name
        assert pdf.count(b"/S/Figure") == pdf.count(b"/Alt("), "each picture says what it shows"


def test_a_card_before_its_window_says_who_is_assigned_and_when_scores_come(cards: Cards, folder: Path) -> None:
    told = (
        "2,400 pupils in 40 schools are assigned, grades 3, 4, 5. Their scores are taken from Mon 26 Oct 2026 to Fri 30"
        " Oct 2026."
    )
    shown = present(cards["before-window"], Rules(10, 10))
    assert shown["who_told"] == told
    for name in ("before-window", "index"):
        page = (folder / f"{name}.html").read_text()
        assert told in page and "in 0 schools" not in page
    charts = drawn(shown)
    assert [name for name, svg in charts.items() if svg] == ["counted", "dosage"], "no picture of any outcome"
    card = cards["before-window"] | {"data_date": "2026-10-28", "is_too_early": True}
    inside = card | {"for_whom": card["for_whom"] | {"pupils": 7}}
    said = present(inside, Rules(10, 10))["who_told"]
    assert "So far under 10 of them have both scores; the window closes on" in said
    over = card | {"data_date": "2026-11-20", "for_whom": card["for_whom"] | {"pupils": 1503}}
    assert "So far 1,500 of them have both scores; the window closed on" in present(over, Rules(10, 10))["who_told"]


def test_what_happened_so_far_is_not_held_against_the_whole_time(cards: Cards) -> None:
    """Sixteen of 54 days are over on 15 September: 135 of the 456 minutes would be in step."""
    early, done = (dict(present(cards[name], Rules(10, 10))["happened_told"]) for name in ("before-window", "works"))
    assert "Minutes a pupil so far, mean of planned; in step with the plan by now: 135" in early
    assert early["Milestones met so far, 3 in each of 20 schools"] == "20 of 60"
    assert (done["Milestones met, 3 in each of 20 schools"], done["Milestones late"]) == ("59 of 60", "1")
    assert not [warning for warning in cards["before-window"]["warnings"] if "Guardrail" in warning], (
        "its look is ahead"
    )


def test_groups_and_minutes_are_pictures_with_words(cards: Cards, folder: Path) -> None:
    """On page and PDF where a chance is told, and nowhere else; each mark in the words too."""
    works = present(cards["works"], Rules(10, 10))
    groups = [one for one in works["for_whom"]["groups"] if one["effect_sd"] is not None]
    assert len(groups) == 6
    page = (folder / "works.html").read_text()
    for one in groups:
        assert (
            f"{one['group']} {one['effect_sd']:.2f} SD ({one['low']:.2f} to {one['high']:.2f})" in works["groups_told"]
        )
    assert works["groups_told"] in page and works["dosage_told"] in page
    assert "This is no effect of time" in page
    minutes = [one["mean_minutes"] for one in works["schools"] if one["arm"] == "treatment"]
    assert (
        f"20 schools with the change: {min(minutes):.0f} to {max(minutes):.0f} minutes a pupil" in works["dosage_told"]
    )
    assert "planned 456" in works["dosage_told"]
    svg = str(drawn(works)["dosage"])
    assert svg.count('aria-roledescription="point"') >= 40 or svg.count("<path") >= 40, "a mark a school"
    assert (folder / "works.pdf").read_bytes().count(b"/S/Figure") == 5
    for name in ("three-schools", "volunteers", "before-window"):
        shown = present(cards[name], Rules(10, 10))
        assert (shown["for_whom"]["groups"], shown["did_it_happen"]["by_dosage"]) == ([], [])
        assert drawn(shown)["groups"] is None
        assert (
            "No effect can be read off this picture" in (folder / f"{name}.html").read_text() or name == "before-window"
        )


def test_the_log_of_the_cycle_is_in_order_with_what_came_late(cards: Cards) -> None:
    card = dict(cards["works"])
    card["frozen"] = card["frozen"] | {
        "amendments": [
            {"at": "2026-09-20T08:00:00-05:00", "reason": "one school tests late", "is_after_outcomes": False}
        ],
        "changes": [
            {
                "at": "2026-10-28T08:00:00-05:00",
                "keys": ["implementation.dosage_minutes_planned", "owner"],
                "is_after_outcomes": True,
            }
        ],
    }
    card["practice"] = [{"from_date": "2026-09-17", "what": "groups of four", "learned": "six are too many"}]
    assert [(one["what"], one["more"]) for one in present(card, Rules(10, 10))["log"]] == [
        ("Plan frozen", ""),
        ("Done: groups of four", "Learned: six are too many"),
        ("Analysis amended: one school tests late", ""),
        ("Plan changed: dosage minutes planned, owner", "When outcomes could be seen already."),
    ]
    word, says = checks(card)["Plan frozen"]
    assert word == "Look" and "what counts as time was changed on Wed 28 Oct 2026" in says


def test_days_in_sentences_are_written_as_days() -> None:
    assert wording.days_told("from 2026-10-26 on, not 2026-02-30") == "from Mon 26 Oct 2026 on, not 2026-02-30"


def test_a_fall_is_named_a_fall_on_the_card(cards: Cards) -> None:
    card = dict(cards["works"])
    card["planned"] = card["planned"] | {"direction": "fall"}
    shown = present(card, Rules(10, 10))
    assert shown["gain_heads"] == ("Fell at all", "Fell enough to matter")
    assert checks(card)["What a sceptic sees"][1].startswith("Chance of a fall 9")
