"""The next-response head: P(right) of the response at hand, its item known. For evaluation and for finding odd items.

What brings its accuracy (docs/explanation/mastery.md has the table): how often the item was tried before, the last
outcomes as a pattern, on the skill and overall, time since the last work, and fading residuals. Blocks that a file
cannot tell (items, times) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.responses import Responses
from cairn.mastery.share import difficulty as difficulties
from cairn.mastery.share.difficulty import Difficulty
from cairn.mastery.share.history import History, attempts_at_items, before_each
from cairn.mastery.share.logistic import Design, DesignBuilder, chances, fit_logistic, logits
from cairn.mastery.share.state import (
    COUNT,
    LAST_FIVE,
    PAIR,
    PUPIL,
    WINS,
    Fading,
    residual_over_days,
    residual_over_opportunities,
)

# Penalties: variances of weights are 1 over these. A rare item, skill or pattern says little by itself.
ALL, ITEM, SKILL, PATTERN = 1.0, 5.0, 20.0, 100.0
PATTERNS = 64
ATTEMPTS = 6
COUNTS = 10
RUNS = 20
GAPS = 28
ORDER = 16
# Items with fewer train responses have no weights of their own: most would only remember who tried them.
COMMON_ITEM = 20


@dataclass(frozen=True)
class NextResponse:
    """A fitted head: its weights, the frozen difficulties, and what the training file could not tell.

    item_code: the weights' code of each item, 0 for all that were rare in training.
    """

    weights: FloatArray
    difficulty: Difficulty
    item_code: IntArray
    has_items: bool
    has_times: bool


def fit_next_response(train: Responses) -> NextResponse:
    """Fit on the train pupils; codes of items and skills must be shared with what is predicted later."""
    sizes = len(train.items), len(train.skills)
    attempt, first = attempts_at_items(train), train.first_skill()
    frozen = difficulties.estimate(train.item, first, attempt, train.correct, *sizes)
    own = difficulties.out_of_fold(train.user, train.item, first, attempt, train.correct, *sizes)
    codes = _common_items(train)
    design = _design(train, own, codes, train.has_items, train.has_times)
    weights = fit_logistic(design, train.entry_offsets(), train.correct)
    return NextResponse(weights, frozen, codes, train.has_items, train.has_times)


def predict_next_response(model: NextResponse, data: Responses) -> FloatArray:
    """P(right) of each response before it is seen."""
    logit = model.difficulty.logits(data.item, data.first_skill(), attempts_at_items(data))
    design = _design(data, logit, model.item_code, model.has_items, model.has_times)
    return chances(logits(design, data.entry_offsets(), model.weights))


def _common_items(data: Responses) -> IntArray:
    """Each item's code from 1, 0 for those with fewer than COMMON_ITEM responses: their difficulty must do."""
    is_common = np.bincount(data.item, minlength=len(data.items)) >= COMMON_ITEM
    return np.where(is_common, np.cumsum(is_common), 0).astype(np.int64)


def _design(data: Responses, difficulty: FloatArray, item_code: IntArray, has_items: bool, has_times: bool) -> Design:
    """The entries as the regression sees them; ``difficulty`` is the logit of each response's frozen chance."""
    past = before_each(data, chances(difficulty))
    build = DesignBuilder(data.skill.size)
    skill, skills = data.skill, len(data.skills)
    build.number("intercept", np.ones(data.skill.size), 0.01)
    build.number("difficulty", difficulty[data.response], 0.1)
    build.category("skill", skill, skills, SKILL)
    _counts(build, past, skill, skills)
    pair, pupil = _residuals(build, past, skill, skills)
    _patterns(build, past, skill, skills)
    if has_items:
        _items(build, past, item_code[data.item[data.response]], int(item_code.max()) + 1, pair, pupil)
    if has_times:
        _times(build, past, skill, skills)
    return build.build()


def _counts(build: DesignBuilder, past: History, skill: IntArray, skills: int) -> None:
    """Right and wrong so far, on the skill and overall, with slopes by skill (performance factors)."""
    for name, states in (("pair", past.pair), ("pupil", past.pupil)):
        tries, wins = states[:, COUNT], states[:, WINS]
        build.number(f"{name} tries", np.log1p(tries))
        for kind, values in (("wins", wins), ("losses", tries - wins)):
            column = build.number(f"{name} {kind}", np.log1p(values))
            build.slope(f"skill by {name} {kind}", skill, skills, column, SKILL)
    number = np.minimum(past.pair[:, COUNT], COUNTS - 1).astype(np.int64)
    build.category("skill by tries", skill * COUNTS + number, skills * COUNTS, SKILL)
    run: IntArray = np.minimum(past.run, RUNS - 1)
    build.category("skill by run", skill * RUNS + run, skills * RUNS, PATTERN / 3)
    met: IntArray = np.minimum(past.skills_met, ORDER - 1)
    build.category("skill by skills met", skill * ORDER + met, skills * ORDER, PATTERN)


def _residuals(build: DesignBuilder, past: History, skill: IntArray, skills: int) -> tuple[int, tuple[int, int]]:
    """Fading residuals; returns the columns that items get slopes on: the pair's, the pupil's two slow ones."""
    columns: dict[str, list[int]] = {}
    kinds: tuple[tuple[str, FloatArray, Fading], ...] = (("pair", past.pair, PAIR), ("pupil", past.pupil, PUPIL))
    for name, states, fading in kinds:
        columns[name] = []
        for place, half in enumerate(fading.opportunities):
            values = residual_over_opportunities(states, place, fading)
            columns[name].append(build.number(f"{name} residual over {half:g} tries", values))
            build.slope(f"skill by {name} residual over {half:g}", skill, skills, columns[name][-1], SKILL)
    first = build.number("pupil residual on first tries", past.first_surplus)
    build.slope("skill by residual on first tries", skill, skills, first, SKILL)
    return columns["pair"][0], (columns["pupil"][1], columns["pupil"][2])


def _patterns(build: DesignBuilder, past: History, skill: IntArray, skills: int) -> None:
    """The last outcomes as they followed each other, and how many other responses came between."""
    pair, pupil = (states[:, LAST_FIVE].astype(np.int64) for states in (past.pair, past.pupil))
    build.category("pair pattern", pair, PATTERNS, ALL)
    build.category("pupil pattern", pupil, PATTERNS, ALL)
    build.category("skill by pair pattern", skill * PATTERNS + pair, skills * PATTERNS, PATTERN)
    build.category("skill by pupil pattern", skill * 16 + _last(pupil, 3), skills * 16, PATTERN / 2)
    run = np.minimum(past.run, ORDER - 1)
    build.category("run by pair pattern", run * PATTERNS + pair, ORDER * PATTERNS, PATTERN)
    gap = _log_bins(past.responses_since_pair.astype(np.float64), GAPS, 1.5)
    build.category("responses since by outcome", gap * 4 + _last(pair, 1), GAPS * 4, ALL * 2)


def _items(build: DesignBuilder, past: History, item: IntArray, items: int, pair: int, pupil: tuple[int, int]) -> None:
    """The item, how often it was tried and how that went, and how much pupils' strength shows on it."""
    attempt = np.minimum(past.attempt, ATTEMPTS - 1)
    outcomes = _last(past.item_outcomes, 2)
    build.category("item", item, items, ITEM)
    build.category("item by attempt", item * ATTEMPTS + attempt, items * ATTEMPTS, ITEM)
    build.category("item by its outcomes", item * 8 + outcomes, items * 8, ITEM)
    build.category("attempt by outcomes", attempt * 8 + outcomes, ATTEMPTS * 8, ALL)
    gap = _log_bins(past.responses_since_item.astype(np.float64), GAPS, 1.5)
    build.category("responses since item by outcome", gap * 4 + _last(past.item_outcomes, 1), GAPS * 4, ALL * 2)
    for name, column in (("pair", pair), ("pupil", pupil[0]), ("pupil slow", pupil[1])):
        build.slope(f"item by {name} residual", item, items, column, ITEM)


def _times(build: DesignBuilder, past: History, skill: IntArray, skills: int) -> None:
    """Time since the last work, and residuals that fade with it."""
    kinds: tuple[tuple[str, FloatArray, Fading], ...] = (("pair", past.pair, PAIR), ("pupil", past.pupil, PUPIL))
    for name, states, fading in kinds:
        for place, half in enumerate(fading.days):
            column = fading.first_day + 2 * place
            build.number(f"{name} residual over {half:g} days", residual_over_days(states, place, fading))
            build.number(f"{name} work over {half:g} days", np.log1p(states[:, column]))
    outcome = _last(past.pair[:, LAST_FIVE].astype(np.int64), 1)
    for name, since in (("pair", past.since_pair), ("pupil", past.since_pupil)):
        gap = _log_bins(np.nan_to_num(since, nan=-1.0), GAPS, 1.0)
        build.category(f"gap of the {name}", gap, GAPS, ALL)
        build.category(f"gap of the {name} by outcome", gap * 4 + outcome, GAPS * 4, ALL * 2)
        column = build.number(f"log gap of the {name}", np.log1p(np.maximum(np.nan_to_num(since), 0.0)) / 10.0)
        build.slope(f"skill by gap of the {name}", skill, skills, column, SKILL)


def _last(bits: IntArray, outcomes: int) -> IntArray:
    """The last outcomes only, of outcomes as bits behind a leading one."""
    limit = 1 << outcomes
    return np.where(bits < 2 * limit, bits, limit | (bits & (limit - 1)))


def _log_bins(values: FloatArray, bins: int, per_doubling: float) -> IntArray:
    """0 for what never was (negative), then bins of equal width in the logarithm."""
    place = 1.0 + np.floor(np.log2(np.maximum(values, 1.0)) * per_doubling)
    return np.where(values < 0, 0, np.minimum(place, bins - 1)).astype(np.int64)
