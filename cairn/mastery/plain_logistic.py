"""The plain comparison for calls of mastery: an item-blind logistic regression on sums of the pair that merge.

It sees what any app could keep: counts, right and wrong, outcomes faded over opportunities (and days, where times are
told), and the competency. It knows no item, no other work of the pupil, no gap and no doubt. A policy that calls nearly
nobody could keep every promise; so its calls are held against what this regression would call.
"""

from __future__ import annotations

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.responses import Responses
from cairn.mastery.share.durable import Evidence, evidence_of
from cairn.mastery.share.logistic import Design, DesignBuilder, chances, fit_logistic, logits, one_row_each
from cairn.mastery.share.state import COUNT, FIXED, PAIR, WINS, outcome_count

# Chance of a right next answer from which it calls a pair mastered.
CALLS_FROM = 0.85
# The penalty of a competency's weight; numbers have 1, the intercept next to none.
SKILL = 20.0


def next_answer_chances(train: Responses, evidence: Evidence) -> FloatArray:
    """P(the next answer of its pair is right) behind each row of evidence, fitted on counted attempts of ``train``."""
    skills = len(train.skills)
    taught = evidence_of(train, np.zeros(train.user.size))
    follows = np.flatnonzero(taught.before[:, COUNT] > 0)
    design = _design(taught.before[follows], taught.skill[follows], skills, train.has_times)
    weights = fit_logistic(design, one_row_each(follows.size), taught.correct[follows])
    plain = evidence_of(evidence.data, np.zeros(evidence.data.user.size))  # the same rows, blind to items
    asked = _design(plain.after, plain.skill, skills, train.has_times)
    return chances(logits(asked, one_row_each(evidence.skill.size), weights))


def _design(pair: FloatArray, skill: IntArray, skills: int, has_times: bool) -> Design:
    """States of pairs (rows x width) as the regression sees them, where every item was expected right by half.

    So a sum of residuals is one of outcomes, less half of the sum of ones: nothing of any item.
    """
    tries, wins = pair[:, COUNT], pair[:, WINS]
    build = DesignBuilder(skill.size)
    build.number("intercept", np.ones(skill.size), 0.01)
    build.category("skill", skill, skills, SKILL)
    for name, values in (("tries", tries), ("wins", wins), ("losses", tries - wins)):
        build.number(name, np.log1p(values))
    for place, half in enumerate(PAIR.opportunities):
        ones = outcome_count(pair, place, PAIR)
        build.number(f"share right over {half:g} tries", _share_right(pair[:, FIXED + place], ones))
    for place, half in enumerate(PAIR.days if has_times else ()):
        column = PAIR.first_day + 2 * place
        build.number(f"share right over {half:g} days", _share_right(pair[:, column + 1], pair[:, column]))
    return build.build()


def _share_right(residuals: FloatArray, ones: FloatArray) -> FloatArray:
    """Fading outcomes by fading ones, drawn to a half by one response."""
    return (residuals + 0.5 * ones + 0.5) / (ones + 1.0)
