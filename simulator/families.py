"""Two families of simulated pupils whose true share is known, to hold the mastery number against.

``knows`` (family A): a hidden yes or no a competency, with learning, guess, slip and a daily chance of forgetting, all
drawn anew for each competency; every pupil works through every competency.

``grows`` (family B): a continuous ability and items of their own difficulty, practice with diminishing returns,
forgetting by a power of time, and an app that stops at three right in a row and gives harder items to who succeeds.
Nothing in it has the form of any model here, and what is answered after mastery is no random sample.

The true share is the mean chance, over all items of the competency, of being right a week after the pupil's last work.

Of ``knows`` the filter is told too: what one could say at best, who has the true parameters of competency and pupil. It
bounds what any model can reach, for nobody is told those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.mastery.against_truth import TwoPoints
from cairn.mastery.responses import Responses

Floats = NDArray[np.float64]
COMPETENCIES, ITEMS_EACH = 10, 40
DAY_SECONDS = 86_400.0
FIRST_AT = 1_788_000_000.0
SESSIONS, SESSION_ATTEMPTS = 16, 5
WEEK = 7.0
STOPS_AFTER = 3


@dataclass(frozen=True)
class KnownPupils:
    """Responses of pupils, and true_share: a week after each response, on its competency (one a response).

    filtered: of family A, how likely the pupil knows by the answers so far and the true parameters.
    """

    responses: Responses
    true_share: Floats
    filtered: TwoPoints | None


@dataclass
class _Log:
    """What is written down as the pupils work."""

    user: list[int]
    item: list[int]
    correct: list[int]
    at: list[float]
    share: list[float]
    filtered: list[tuple[float, float, float]]


Work = Callable[[np.random.Generator, np.random.Generator, int, _Log], None]


def simulate(family: str, pupils: int, seed: int, first_pupil: int = 0, all_pupils: int | None = None) -> KnownPupils:
    """Pupils of one family; the same seed gives the same competencies and items whatever the pupils.

    ``first_pupil`` and ``all_pupils`` give the pupils' codes among more, so that two groups can be told apart. Raises
    KeyError for a family that is not there.
    """
    log = _Log([], [], [], [], [], [])
    work = FAMILIES[family]
    for pupil in range(first_pupil, first_pupil + pupils):
        work(np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2, pupil]), pupil, log)
    user, item = np.array(log.user, dtype=np.int64), np.array(log.item, dtype=np.int64)
    responses = Responses(
        user=user,
        item=item,
        correct=np.array(log.correct, dtype=np.float64),
        at_seconds=np.array(log.at),
        response=np.arange(user.size),
        skill=item // ITEMS_EACH,
        users=[f"pupil-{code:05d}" for code in range(all_pupils or first_pupil + pupils)],
        items=[f"item-{code:04d}" for code in range(COMPETENCIES * ITEMS_EACH)],
        skills=[f"competency-{code:02d}" for code in range(COMPETENCIES)],
        has_items=True,
        has_times=True,
    )
    filtered = TwoPoints(*np.array(log.filtered).T) if log.filtered else None
    return KnownPupils(responses, np.array(log.share), filtered)


def _sessions(random: np.random.Generator) -> list[tuple[float, int]]:
    """(when, competency) of a pupil's sessions: one after the other, some come back, days or weeks apart."""
    at, found = FIRST_AT + random.uniform(0, 5) * DAY_SECONDS, []
    for number in range(SESSIONS):
        fresh = number * COMPETENCIES // SESSIONS
        competency = fresh if number == 0 or random.random() < 0.55 else int(random.integers(0, fresh + 1))
        found.append((at, competency))
        at += float(random.choice([1.0, 2.0, 3.0, 10.0], p=[0.5, 0.25, 0.15, 0.1])) * DAY_SECONDS
    return found


def _knows(world: np.random.Generator, random: np.random.Generator, pupil: int, log: _Log) -> None:
    prior, learn = world.uniform(0.1, 0.7, COMPETENCIES), world.uniform(0.08, 0.35, COMPETENCIES)
    guess, slip = world.uniform(0.08, 0.3, COMPETENCIES), world.uniform(0.03, 0.15, COMPETENCIES)
    forget = world.uniform(0.002, 0.02, COMPETENCIES)  # a day
    strength = random.normal(0, 0.8)
    chance = _shifted(prior, strength)
    known = random.random(COMPETENCIES) < chance
    learns = _shifted(learn, strength)
    kept_week = (1.0 - forget) ** WEEK
    worked = np.full(COMPETENCIES, np.nan)
    for at, competency in _sessions(random):
        one = competency
        days = 0.0 if np.isnan(worked[one]) else (at - worked[one]) / DAY_SECONDS
        known[one] &= random.random() < (1.0 - forget[one]) ** days
        chance[one] *= (1.0 - forget[one]) ** days
        for attempt in range(SESSION_ATTEMPTS):
            item = one * ITEMS_EACH + int(random.integers(0, ITEMS_EACH))
            right = random.random() < (1.0 - slip[one] if known[one] else guess[one])
            known[one] |= random.random() < learns[one]
            chance[one] = _filtered(chance[one], bool(right), slip[one], guess[one], learns[one])
            if_known = kept_week[one] * (1.0 - slip[one]) + (1.0 - kept_week[one]) * guess[one]
            _write(log, pupil, item, right, at + 60.0 * attempt, float(if_known if known[one] else guess[one]))
            log.filtered.append((float(chance[one]), float(if_known), float(guess[one])))
        worked[one] = at


def _filtered(chance: float, is_right: bool, slip: float, guess: float, learn: float) -> float:
    """P(known) after an answer and the learning that follows it, by Bayes' rule (Corbett and Anderson 1995)."""
    if_known, if_not = (1.0 - slip, guess) if is_right else (slip, 1.0 - guess)
    after = chance * if_known / (chance * if_known + (1.0 - chance) * if_not)
    return float(after + (1.0 - after) * learn)


def _grows(world: np.random.Generator, random: np.random.Generator, pupil: int, log: _Log) -> None:
    difficulty = np.sort(world.normal(0, 0.9, (COMPETENCIES, ITEMS_EACH)), axis=1)
    level = world.normal(0.3, 0.7, COMPETENCIES)
    gain, decay = world.uniform(0.25, 0.7, COMPETENCIES), world.uniform(0.05, 0.2, COMPETENCIES)
    ability = random.normal(0, 1.0) + level + random.normal(0, 0.6, COMPETENCIES)
    pace = random.lognormal(0, 0.4)
    practised = np.zeros(COMPETENCIES)
    worked = np.full(COMPETENCIES, np.nan)
    place = np.full(COMPETENCIES, ITEMS_EACH // 3)
    for at, competency in _sessions(random):
        one = competency
        days = 0.0 if np.isnan(worked[one]) else (at - worked[one]) / DAY_SECONDS
        in_a_row = 0
        for attempt in range(SESSION_ATTEMPTS + 3):
            retained = practised[one] * (1.0 + days) ** -decay[one]
            near = int(np.clip(place[one] + random.integers(-6, 7), 0, ITEMS_EACH - 1))
            chance = _sigmoid(ability[one] + retained - difficulty[one, near])
            right = random.random() < chance
            practised[one] += gain[one] * pace / (1.0 + practised[one]) ** 1.5
            days = 0.0
            later = ability[one] + practised[one] * (1.0 + WEEK) ** -decay[one]
            share = float(_sigmoid(later - difficulty[one]).mean())
            _write(log, pupil, one * ITEMS_EACH + near, bool(right), at + 75.0 * attempt, share)
            place[one] = int(np.clip(place[one] + (4 if right else -4), 0, ITEMS_EACH - 1))
            in_a_row = in_a_row + 1 if right else 0
            if in_a_row == STOPS_AFTER:
                break
        worked[one] = at


def _write(log: _Log, pupil: int, item: int, right: bool, at: float, share: float) -> None:
    log.user.append(pupil)
    log.item.append(item)
    log.correct.append(int(right))
    log.at.append(at)
    log.share.append(share)


def _sigmoid(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logit))


def _shifted(chance: Floats, logits: float) -> Floats:
    """Chances moved by so many logits."""
    return _sigmoid(np.log(chance / (1.0 - chance)) + logits)


FAMILIES: dict[str, Work] = {"family-a": _knows, "family-b": _grows}
