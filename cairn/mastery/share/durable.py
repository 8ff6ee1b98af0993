"""The mastery head: the durable share, how much a pupil would get right on a competency's items a week from now.

It is blind to the item at hand. From the sums of the pair, and of the pupil as they stood at the pair's own last
evidence, it makes one logit; the share is the mean chance over the competency's reference items, whose easiness is
frozen with the model version. It is fitted on first attempts at items with the gap that they had and the easiness of
the item that was tried, and asked at a gap of seven days and at the reference items: so what came easily the same day,
or on easy items, does not count for more than it proves.

The pupil's sums weigh ``PUPIL_WEIGHT / (PUPIL_WEIGHT + n)`` beside ``n`` attempts of the pair's own: no state moves
without evidence of its own, and with much of it the pupil's other work says nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cairn.mastery.accuracy import surprise
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.groups import sorted_offsets
from cairn.mastery.responses import Responses
from cairn.mastery.share.doubt import Doubt
from cairn.mastery.share.doubt_fit import NEXT, Followed, fit_doubt
from cairn.mastery.share.easiness import Easiness, estimate, out_of_fold
from cairn.mastery.share.formula import (
    PATTERNS,
    PUPIL_WEIGHT,
    REFERENCE_POINTS,
    SKILL_WEIGHTS,
    UNTIMED_WEIGHTS,
    WEIGHTS,
    WITH_GAP,
    logits_after,
)
from cairn.mastery.share.logistic import Design, DesignBuilder, chances, fit_logistic, one_row_each
from cairn.mastery.share.state import (
    COUNT,
    DAY_SECONDS,
    LAST_AT,
    LAST_FIVE,
    PAIR,
    PUPIL,
    WINS,
    aged,
    appended,
    fold_each,
    residual_over_days,
    residual_over_opportunities,
    states_before,
)

# An item is a reference item from so many first attempts on; a competency without any is asked at its own.
REFERENCE_RESPONSES = 20
SKILL, PATTERN = 20.0, 2.0
# The doubt is fitted on a few ten thousand rows: of so many, those of one half of the pupils are enough.
ENOUGH_FOLLOWED = 50_000
# The penalty of a weight that is known. Easiness counts as it is: where items are given by success, hard ones come to
# able pupils, and a fitted weight would call them easier than they are.
FIXED = 1e6


@dataclass(frozen=True)
class Evidence:
    """Counted attempts on skills, one row each (n), pairs together and in order of work.

    offsets (pairs + 1) bounds each pair's rows; response: the row's place in the responses. before: the pair's state;
    pupil_before: the pupil's as it stood at the pair's previous row (of the first row: empty); after, pupil_after: both
    behind the row's own outcome. easiness: logit of the row's item, from pupils other than its own where it taught.
    """

    data: Responses
    offsets: IntArray
    response: IntArray
    skill: IntArray
    before: FloatArray
    pupil_before: FloatArray
    after: FloatArray
    pupil_after: FloatArray
    easiness: FloatArray

    @property
    def correct(self) -> FloatArray:
        """The outcome of each row: the share right."""
        return self.data.correct[self.response]

    @property
    def at_seconds(self) -> FloatArray:
        """When each row was worked."""
        return self.data.at_seconds[self.response]


@dataclass(frozen=True)
class ShareHead:
    """The fitted mean. reference: skills x REFERENCE_POINTS, logits of the reference items."""

    weights: FloatArray
    easiness: Easiness
    reference: FloatArray
    has_times: bool


@dataclass(frozen=True)
class DurableShare:
    """The mastery head: the mean and how sure it is."""

    head: ShareHead
    doubt: Doubt


def fit_durable(train: Responses) -> DurableShare:
    """Fit the mean on all counted attempts, the doubt on what followed in either half of the pupils."""
    return DurableShare(fit_head(train), fit_doubt(_what_followed(train)))


def fit_head(train: Responses) -> ShareHead:
    """Fit the mean on counted attempts (one with several skills is a row of each) that follow others of their pair.

    The next attempt is predicted, whatever comes of the work after it: where pupils stop depends on what was seen so
    far, and a model of what comes next is not misled by that; one of the next five, where there are five, is.
    """
    frozen = estimate(train)
    evidence = evidence_of(train, out_of_fold(train))
    follows = np.flatnonzero(evidence.before[:, COUNT] > 0)
    design = _design(
        evidence.before[follows],
        evidence.pupil_before[follows],
        evidence.at_seconds[follows],
        evidence.skill[follows],
        evidence.easiness[follows],
        len(train.skills),
        train.has_times,
    )
    weights = fit_logistic(design, one_row_each(follows.size), evidence.correct[follows])
    return ShareHead(weights, frozen, _reference(train, frozen), train.has_times)


def _what_followed(train: Responses) -> Followed:
    """The next answers of each row that has any, predicted by the other half of the pupils.

    Where the rows of one half are enough, the other is not told: that would be a fit more.
    """
    parts: list[Followed] = []
    pupil = np.unique(train.user, return_inverse=True)[1]
    for half in (0, 1):
        is_other = pupil % 2 != half
        if is_other.any() and not is_other.all():
            head = fit_head(train.of(is_other))
            parts.append(_followed(head, evidence_on(head, train.of(~is_other))))
            if parts[0].tries.size >= ENOUGH_FOLLOWED:
                break
    if not parts:
        none, nothing = np.empty(0), np.empty((0, NEXT))
        return Followed(none, none, none, nothing, nothing, nothing > 0)
    names = ("share", "tries", "gap_days", "logit", "correct", "is_answered")
    return Followed(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _followed(head: ShareHead, evidence: Evidence) -> Followed:
    _, answered = following(evidence, NEXT)
    rows = np.flatnonzero(answered > 0)
    pair, pupil = evidence.after[rows], evidence.pupil_after[rows]
    gap = gap_to_next(evidence)[rows]
    logit = asked_next(head, evidence, rows)
    steps = np.arange(NEXT)
    is_answered = steps[None, :] < answered[rows][:, None]
    later = np.where(is_answered, rows[:, None] + 1 + steps[None, :], rows[:, None])
    return Followed(
        share=durable_share(head, pair, pupil, evidence.skill[rows], gap),
        tries=pair[:, COUNT],
        gap_days=gap,
        logit=logit[:, None] + evidence.easiness[later],
        correct=evidence.correct[later],
        is_answered=is_answered,
    )


def following(evidence: Evidence, most: int) -> tuple[FloatArray, IntArray]:
    """(right, answered): of each row, credit and number of the next attempts of its pair, ``most`` at most."""
    rows = np.arange(evidence.response.size)
    ends = np.repeat(evidence.offsets[1:], np.diff(evidence.offsets))
    answered = np.minimum(ends - rows - 1, most).astype(np.int64)
    total = np.r_[0.0, np.cumsum(evidence.correct)]
    return total[rows + 1 + answered] - total[rows + 1], answered


def gap_to_next(evidence: Evidence) -> FloatArray:
    """Days from each row to the next of its pair; 0 for the last and where no times are told."""
    gap = np.zeros(evidence.response.size)
    gap[:-1] = np.diff(evidence.at_seconds) / DAY_SECONDS
    gap[evidence.offsets[1:] - 1] = 0.0
    return np.nan_to_num(gap, nan=0.0)


def asked_next(head: ShareHead, evidence: Evidence, rows: IntArray) -> FloatArray:
    """The logit behind each of the rows, on an item of easiness 0, when the next attempt of its pair was asked."""
    pair, pupil = evidence.after[rows], evidence.pupil_after[rows]
    return _logit(head, pair, pupil, evidence.at_seconds[rows + 1], evidence.skill[rows])


def evidence_of(data: Responses, easiness: FloatArray) -> Evidence:
    """Rows of counted responses; ``easiness`` is the logit of each response's item."""
    outcome = data.correct
    residual = outcome - chances(easiness)
    pupil = states_before(data.user, data.at_seconds, outcome, residual, PUPIL, data.right_from)
    pupil_after = appended(pupil, data.at_seconds, outcome, residual, PUPIL, data.right_from)
    order, offsets = sorted_offsets(data.user[data.response] * len(data.skills) + data.skill)
    response = data.response[order]
    columns = data.at_seconds[response], outcome[response], residual[response]
    before = fold_each(PAIR.empty(offsets.size - 1), offsets, *columns, PAIR, data.right_from)
    previous = np.r_[PUPIL.empty(1), pupil_after[response[:-1]]] if response.size else PUPIL.empty(0)
    previous[offsets[:-1]] = PUPIL.empty(1)
    return Evidence(
        data=data,
        offsets=offsets,
        response=response,
        skill=data.skill[order],
        before=before,
        pupil_before=previous,
        after=appended(before, *columns, PAIR, data.right_from),
        pupil_after=pupil_after[response],
        easiness=easiness[response],
    )


def evidence_on(head: ShareHead, data: Responses) -> Evidence:
    """Rows of counted responses of pupils whom the model has not seen, at its frozen easiness."""
    return evidence_of(data, head.easiness.logits(data))


def predict_next(head: ShareHead, evidence: Evidence, rows: IntArray) -> FloatArray:
    """P(right) of rows from the state before them, at the gap and the item that they had."""
    logit = _logit(
        head, evidence.before[rows], evidence.pupil_before[rows], evidence.at_seconds[rows], evidence.skill[rows]
    )
    return chances(logit + evidence.easiness[rows])


def next_log_likelihood(model: DurableShare, data: Responses) -> float:
    """Of the counted answers that follow others of their pair: the sum of the logarithms of what they were given."""
    evidence = evidence_on(model.head, data)
    follows = np.flatnonzero(evidence.before[:, COUNT] > 0)
    return -float(surprise(evidence.correct[follows], predict_next(model.head, evidence, follows)).sum())


def reference_logits(
    head: ShareHead, pair: FloatArray, pupil: FloatArray, skill: IntArray, gap_days: FloatArray
) -> FloatArray:
    """Logits on the reference items (rows x REFERENCE_POINTS), asked so many days after each pair's last work."""
    asked_at = np.nan_to_num(pair[:, LAST_AT]) + gap_days * DAY_SECONDS
    logit = _logit(head, pair, pupil, asked_at, skill)
    return logit[:, None] + head.reference[skill]


def durable_share(
    head: ShareHead, pair: FloatArray, pupil: FloatArray, skill: IntArray, gap_days: FloatArray
) -> FloatArray:
    """The share expected right on the reference items, asked so many days after each pair's last work."""
    share: FloatArray = chances(reference_logits(head, pair, pupil, skill, gap_days)).mean(axis=1)
    return share


def _logit(head: ShareHead, pair: FloatArray, pupil: FloatArray, at_seconds: FloatArray, skill: IntArray) -> FloatArray:
    """The logit of each pair's state, on an item of easiness 0, asked at ``at_seconds``."""
    days = np.nan_to_num((at_seconds - pair[:, LAST_AT]) / DAY_SECONDS, nan=0.0)
    found: FloatArray = logits_after(pair, pupil, days, skill, *formula_weights(head))
    return found


def formula_weights(head: ShareHead) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The regression's weights as the formula takes them: general, of patterns, of skills (skills x SKILL_WEIGHTS)."""
    skills, numbers = head.reference.shape[0], WEIGHTS if head.has_times else UNTIMED_WEIGHTS
    slopes = SKILL_WEIGHTS - 1 if head.has_times else SKILL_WEIGHTS - 2
    general, own, patterns, *by_skill = np.split(
        head.weights, np.cumsum([numbers, skills, PATTERNS, *[skills] * (slopes - 1)])
    )
    if not head.has_times:
        by_skill.append(np.zeros(skills))
    return general, patterns, np.ascontiguousarray(np.stack([own, *by_skill], axis=1))


def regression_weights(general: FloatArray, patterns: FloatArray, skills: FloatArray) -> FloatArray:
    """The other way round: the formula's weights, of a model that knows of times, in the regression's order."""
    own, *by_skill = skills.T
    return np.concatenate([general, own, patterns, *by_skill])


def _design(
    pair: FloatArray,
    pupil: FloatArray,
    at_seconds: FloatArray,
    skill: IntArray,
    easiness: FloatArray,
    skills: int,
    has_times: bool,
) -> Design:
    """States as the regression sees them when they are asked at ``at_seconds``."""
    tries, wins = pair[:, COUNT], pair[:, WINS]
    build = DesignBuilder(skill.size)
    build.number("intercept", np.ones(skill.size), 0.01)
    build.number("easiness", easiness, FIXED, 1.0)
    build.category("skill", skill, skills, SKILL)
    build.category("pattern", pair[:, LAST_FIVE].astype(np.int64), PATTERNS, PATTERN)
    for name, values in (("tries", tries), ("wins", wins), ("losses", tries - wins)):
        build.number(name, np.log1p(values))
    for place, half in enumerate(PAIR.opportunities):
        column = build.number(f"residual over {half:g} tries", residual_over_opportunities(pair, place, PAIR))
        build.slope(f"skill by residual over {half:g}", skill, skills, column, SKILL)
    weight = PUPIL_WEIGHT / (PUPIL_WEIGHT + tries)
    for place, half in enumerate(PUPIL.opportunities):
        build.number(f"pupil over {half:g} tries", weight * residual_over_opportunities(pupil, place, PUPIL))
    if has_times:
        _times(build, pair, pupil, at_seconds, weight, skill, skills)
    return build.build()


def _times(
    build: DesignBuilder,
    pair: FloatArray,
    pupil: FloatArray,
    at_seconds: FloatArray,
    weight: FloatArray,
    skill: IntArray,
    skills: int,
) -> None:
    """Forgetting: the gap by how much was practised, and sums that fade over days."""
    now, others = aged(pair, at_seconds, PAIR), aged(pupil, at_seconds, PUPIL)
    for place, half in enumerate(PAIR.days):
        build.number(f"residual over {half:g} days", residual_over_days(now, place, PAIR))
        build.number(f"work over {half:g} days", np.log1p(now[:, PAIR.first_day + 2 * place]))
    for place, half in enumerate(PUPIL.days):
        build.number(f"pupil over {half:g} days", weight * residual_over_days(others, place, PUPIL))
    days = np.maximum(at_seconds - pair[:, LAST_AT], 0.0) / DAY_SECONDS
    gap = np.log1p(days)
    column = build.number("gap", gap)
    build.slope("skill by gap", skill, skills, column, SKILL)
    build.number("short gap", np.log1p(days * 24.0))
    build.number("gap by tries", gap * np.log1p(pair[:, COUNT]))
    build.number("gap by residual", gap * residual_over_opportunities(pair, WITH_GAP, PAIR))


def _reference(train: Responses, frozen: Easiness) -> FloatArray:
    """Logits of each skill's reference items, in REFERENCE_POINTS points (skills x points).

    An item is one of every skill that it was tried for. A skill without a common item is asked at the mean of its own.
    """
    count = np.bincount(train.item, minlength=len(train.items))
    pairs = np.unique(np.stack([train.skill, train.item[train.response]]), axis=1)
    found = np.full((len(train.skills), REFERENCE_POINTS), float(frozen.item[frozen.is_known].mean()))
    middles = (np.arange(REFERENCE_POINTS) + 0.5) / REFERENCE_POINTS
    order, offsets = sorted_offsets(pairs[0])
    for low, high in pairwise(offsets.tolist()):
        members = pairs[1][order[low:high]]
        common = members[count[members] >= REFERENCE_RESPONSES]
        points = np.quantile(frozen.item[common], middles) if common.size else frozen.item[members].mean()
        found[pairs[0][order[low]]] = points
    return found
