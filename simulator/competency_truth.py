"""What is true of each competency: how fast it is learned and forgotten, how often it is guessed and slipped at.

The product's defaults (``schemas/district/evidence.yaml``) lie outside all four ranges, so that a model which only
keeps its defaults is wrong here, and no one number is right for two competencies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.framework import Items

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Chance of coming to know it at one answer: from a skill that takes a dozen answers to one that a few suffice for.
LEARN = (0.14, 0.32)
# Chance of having lost it by the next school day: half is gone after three months for the quickest, years for others.
FORGET_DAILY = (0.001, 0.012)
# Right without knowing, at an item of middling difficulty: answers are mostly typed in, some are chosen from a few.
GUESS = (0.07, 0.19)
# Wrong in spite of knowing, likewise: a slip of the pen to a step that is easily missed.
SLIP = (0.03, 0.095)
# Logits a standard deviation of ability, and a logit of an item's difficulty, by whether the pupil knows.
ABILITY_KNOWN, ABILITY_NOT, DIFFICULTY_KNOWN, DIFFICULTY_NOT = 0.3, 0.25, 0.6, 0.4


@dataclass(frozen=True)
class CompetencyTruth:
    """One entry a competency, each a chance: ``learn`` at one answer, ``forget_daily`` by the next school day,
    ``guess`` and ``slip`` at an item of difficulty 0 for a pupil of ability 0."""

    learn: Floats
    forget_daily: Floats
    guess: Floats
    slip: Floats


def draw_competency_truth(count: int, rng: np.random.Generator) -> CompetencyTruth:
    """Parameters of ``count`` competencies, each uniform over its range."""
    return CompetencyTruth(*(rng.uniform(low, high, count) for low, high in (LEARN, FORGET_DAILY, GUESS, SLIP)))


def logistic(logits: Floats) -> Floats:
    """Chances of these logits."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float64)


def _logit(chance: Floats) -> Floats:
    return np.asarray(np.log(chance / (1.0 - chance)), dtype=np.float64)


def right_logit(truth: CompetencyTruth, competency: Ints, known: Bools, ability: Floats, difficulty: Floats) -> Floats:
    """Logit of answering an item right, unaided; ability in SD, difficulty in logits. The arguments broadcast."""
    knows = _logit(1.0 - truth.slip[competency]) + ABILITY_KNOWN * ability - DIFFICULTY_KNOWN * difficulty
    guesses = _logit(truth.guess[competency]) + ABILITY_NOT * ability - DIFFICULTY_NOT * difficulty
    return np.where(known, knows, guesses)


def true_shares(truth: CompetencyTruth, items: Items, ability_by: Floats) -> NDArray[np.float32]:
    """True share [known, pupil, competency], 0 to 1: the mean chance over a competency's items of being right unaided,
    for one who does not know it ([0]) and one who does ([1]).

    ``ability_by`` is [pupil, subject], in SD.
    """
    shares = np.empty((2, len(ability_by), len(items.start)), dtype=np.float32)
    states = np.array([False, True])[:, None, None]
    for competency, (start, count) in enumerate(zip(items.start, items.count, strict=True)):
        ability = ability_by[None, :, competency // 20, None]
        difficulty = items.difficulty[start : start + count][None, None, :]
        logits = right_logit(truth, np.array(competency), states, ability, difficulty)
        shares[:, :, competency] = logistic(logits).mean(axis=2)
    return shares
