"""What pupils do and come to know: a hidden yes-or-no state a competency with learning, forgetting, guess and slip.

Vectorised over pupils, in steps of (day, subject, attempt). The chance of being right also depends on the item's
difficulty and the pupil's ability, so the truth is near the family of Bayesian knowledge tracing, not inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.pilot_design import PilotTruth
from simulator.world import NEVER, SOURCES, World

LEARN, FORGET_DAILY, GUESS, SLIP = 0.17, 0.004, 0.22, 0.09
RAPID_SHARE, HINT_SHARE, RETRY_SHARE, OPENING_SHARE = 0.03, 0.14, 0.45, 0.30
EXTRA_ATTEMPTS, MAX_ATTEMPTS = 2.0, 9
SESSIONS_A_DAY = 0.306  # a pupil and subject; with 3.4 attempts a session this makes 2.2 events a school day
ATTEMPT, OPENING = 0, 1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """Everything pupils did, one entry an event, in order of day; times are UTC microseconds.

    ``kind`` is ATTEMPT or OPENING (an app was opened: engagement, no item). ``known`` [pupil, competency] is the hidden
    state at the end, ``opportunities`` how often it was practised; ``present`` [day, pupil] is attendance.
    """

    pupil: Ints
    kind: Ints
    subject: Ints
    day: Ints
    school: Ints
    classroom: Ints
    source: Ints
    item: Ints
    is_correct: NDArray[np.bool_]
    attempt: Ints
    hints: Ints
    duration_ms: Ints
    is_rapid: NDArray[np.bool_]
    event_us: Ints
    session: Ints
    known: NDArray[np.bool_]
    opportunities: Ints
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pupil)


COLUMNS = [
    "pupil",
    "kind",
    "subject",
    "day",
    "school",
    "classroom",
    "source",
    "item",
    "is_correct",
    "attempt",
    "hints",
    "duration_ms",
    "is_rapid",
    "event_us",
    "session",
]


@dataclass
class _State:
    """What changes while the days go by."""

    known: NDArray[np.bool_]
    opportunities: Ints
    tries: NDArray[np.int16]
    sessions: int = 0
    rows: dict[str, list[NDArray[np.generic]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def record(self, **columns: NDArray[np.generic] | int) -> None:
        size = len(columns["pupil"])  # type: ignore[arg-type]  # always an array: the pupils of this step
        for name in COLUMNS:
            value = columns.get(name, 0)
            self.rows[name].append(np.full(size, value) if isinstance(value, int) else value)


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)


def _start(world: World, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Known before the first day: what earlier grades taught, more of it for the able."""
    students, leaves = world.students, world.leaves
    subject = np.array([0 if leaf.subject == "math" else 1 for leaf in leaves])
    order = np.array([leaf.order for leaf in leaves])
    first = world.classes.first_competency[students.class_before][:, subject]
    chance = np.where(order[None, :] < first, 0.8, 0.18)
    shifted = np.log(chance / (1 - chance)) + 0.7 * students.ability_by[:, subject]
    return np.asarray(rng.random(shifted.shape) < _logistic(shifted))


def _choose(world: World, pupils: Ints, subject: int, day: int, rng: np.random.Generator) -> Ints:
    """The competency (index) each pupil works on: mostly the class's present one, some review, a little ahead."""
    classes, students = world.classes, world.students
    room = students.class_on(pupils, subject, day)
    present = np.minimum(classes.first_competency[room] + (day / classes.pace_days[room]).astype(np.int64), 19)
    u = rng.random(len(pupils))
    review = np.floor(rng.random(len(pupils)) * (present + 1)).astype(np.int64)
    ahead = np.minimum(present + 1, 19)
    chosen = np.where(u < 0.72, present, np.where(u < 0.95, review, ahead))
    return np.asarray(chosen + 20 * subject)


def _attempt(
    world: World, state: _State, pupils: Ints, item: Ints, boost: float, rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """One answer of each pupil: right or not, hints, time taken, and what was learned from it."""
    n = len(pupils)
    competency = world.items.competency[item]
    ability = world.students.ability_by[pupils, competency // 20]
    difficulty = world.items.difficulty[item]
    known = state.known[pupils, competency]
    is_rapid = rng.random(n) < RAPID_SHARE
    hints = np.where((rng.random(n) < np.where(known, 0.4, 1.3) * HINT_SHARE) & ~is_rapid, rng.integers(1, 4, n), 0)
    base = np.where(
        known, _logit(1 - SLIP) + 0.3 * ability - 0.6 * difficulty, _logit(GUESS) + 0.25 * ability - 0.4 * difficulty
    )
    chance = np.where(is_rapid, 0.25, _logistic(base + boost + 0.5 * (hints > 0)))
    seconds = np.where(is_rapid, rng.uniform(0.6, 2.2, n), np.exp(rng.normal(3.1, 0.5, n)) + 6 * hints)
    state.tries[pupils, item] += 1
    state.opportunities[pupils, competency] += 1
    return {
        "pupil": pupils,
        "item": item,
        "is_correct": rng.random(n) < chance,
        "attempt": state.tries[pupils, item].astype(np.int64),
        "hints": hints,
        "duration_ms": (seconds * 10).astype(np.int64) * 100 + 100,
        "is_rapid": is_rapid,
    }


def _learn(
    world: World, state: _State, answer: dict[str, NDArray[np.generic]], rate: Floats, rng: np.random.Generator
) -> None:
    pupils = np.asarray(answer["pupil"], dtype=np.int64)
    competency = world.items.competency[np.asarray(answer["item"], dtype=np.int64)]
    ability = world.students.ability_by[pupils, competency // 20]
    before = np.full(len(world.leaves), -1)
    for origin, destination in world.edges:
        before[destination] = origin
    needed = before[competency]
    is_ready = (needed < 0) | state.known[pupils, np.maximum(needed, 0)]
    chance = rate[pupils] * np.where(is_ready, 1.0, 0.35) * np.clip(1 + 0.35 * ability, 0.3, 2.0)
    chance = np.where(np.asarray(answer["is_rapid"], dtype=bool), 0.0, chance)
    state.known[pupils, competency] |= rng.random(len(pupils)) < chance


def _session(
    world: World, state: _State, pupils: Ints, subject: int, day: int, rate: Floats, rng: np.random.Generator
) -> None:
    """One sitting of each of these pupils with a subject's app on a day."""
    classes, students = world.classes, world.students
    n = len(pupils)
    room, school = students.class_on(pupils, subject, day), students.school_on(pupils, day)
    start_minute = np.where(
        rng.random(n) < 0.85, classes.starts_minute[room] + rng.integers(2, 25, n), rng.integers(16 * 60, 20 * 60, n)
    )
    clock = world.dates.midnight_us[day] + start_minute * 60_000_000 + rng.integers(0, 60_000, n) * 1000
    session = state.sessions + np.arange(n)
    state.sessions += n
    common = {"subject": subject, "day": day}
    fixed = {"school": school, "classroom": room, "source": world.source(school, subject), "session": session}
    opens = rng.random(n) < OPENING_SHARE
    state.record(
        pupil=pupils[opens],
        kind=OPENING,
        item=-1,
        event_us=clock[opens],
        **common,
        **{name: column[opens] for name, column in fixed.items()},
    )
    attempts = np.minimum(1 + rng.poisson(EXTRA_ATTEMPTS, n), MAX_ATTEMPTS)
    for number in range(int(attempts.max(initial=0))):
        here = np.flatnonzero(attempts > number)
        competency = _choose(world, pupils[here], subject, day, rng)
        item = world.items.start[competency] + np.floor(rng.random(len(here)) * world.items.count[competency]).astype(
            np.int64
        )
        for boost in (0.0, 0.9):  # the attempt, and for some of those who were wrong, a second one at the same item
            answer = _attempt(world, state, pupils[here], item, boost, rng)
            pause = rng.integers(2_000, 15_000, len(here)) * 1000
            clock[here] += pause + np.asarray(answer["duration_ms"], dtype=np.int64) * 1000
            state.record(
                kind=ATTEMPT,
                event_us=clock[here],
                **common,
                **answer,
                **{name: column[here] for name, column in fixed.items()},
            )
            _learn(world, state, answer, rate, rng)
            wrong = ~np.asarray(answer["is_correct"], dtype=bool) & ~np.asarray(answer["is_rapid"], dtype=bool)
            again = wrong & (rng.random(len(here)) < RETRY_SHARE)
            here, item = here[again], item[again]
            if not len(here):
                break


def simulate_work(
    world: World, pilots: list[PilotTruth], seed: int, on_progress: Callable[[str, int, int], None] | None = None
) -> Work:
    """Let the days go by. The same world and seed give the same work."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    students, days = world.students, len(world.dates.days)
    count = len(students)
    state = _State(
        _start(world, rng),
        np.zeros((count, len(world.leaves)), dtype=np.int64),
        np.zeros((count, len(world.items.ids)), dtype=np.int16),
    )
    present = rng.random((days, count)) < np.clip(0.955 + 0.015 * students.ability, 0.8, 0.995)
    everyone = np.arange(count)
    for day in range(days):
        for subject in range(2):
            school = students.school_on(everyone, day)
            is_silent = (world.source(school, subject) == world.silent_source) & (day >= world.silent_from)
            active = present[day] & (rng.random(count) < SESSIONS_A_DAY * students.activity)
            active &= (day >= students.join_day) & ~is_silent
            rate = np.full(count, LEARN)
            for pilot in pilots:
                if pilot.subject == subject and pilot.first_day <= day <= pilot.last_day:
                    rate = np.where(pilot.is_treated, rate * (1 + pilot.effect_sd), rate)
            _session(world, state, np.flatnonzero(active), subject, day, rate, rng)
        state.known &= rng.random(state.known.shape) >= FORGET_DAILY
        if on_progress:
            on_progress("pupils at work", day + 1, days)
    columns = {name: np.concatenate(parts) for name, parts in state.rows.items()}
    return Work(**columns, known=state.known, opportunities=state.opportunities, present=present)


__all__ = ["ATTEMPT", "NEVER", "OPENING", "SOURCES", "Work", "simulate_work"]
