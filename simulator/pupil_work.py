"""What pupils do and come to know: a hidden yes-or-no state a competency with learning, forgetting, guess and slip.

Vectorised over pupils, in steps of (day, subject, attempt). The chance of being right also depends on the item's
difficulty and the pupil's ability (``competency_truth``), so the truth is near the family of Bayesian knowledge
tracing, not inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from simulator.competency_truth import logistic, right_logit
from simulator.pilot_design import PilotTruth
from simulator.world import NEVER, SOURCES, World

RAPID_SHARE, HINT_SHARE, RETRY_SHARE, OPENING_SHARE = 0.03, 0.14, 0.45, 0.30
EXTRA_ATTEMPTS, MAX_ATTEMPTS = 2.0, 9
SESSIONS_A_DAY = 0.306  # a pupil and subject; with 3.4 attempts a session this makes 2.2 events a school day
ATTEMPT, OPENING, COMPLETION = 0, 1, 2

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class States:
    """The hidden state as days ended, one entry a pupil, competency and day on which it was worked at or forgotten; on
    the first day one entry for every pupil and competency. In order of day; an entry holds until the pair's next.

    ``known_without`` is what the same practice would have led to had no pilot made anybody learn faster.
    """

    pupil: NDArray[np.int32]
    competency: NDArray[np.int8]
    day: NDArray[np.int16]
    known: Bools
    known_without: Bools

    def at_end_of(self, days: Ints, competencies: int, *, without_pilots: bool = False) -> Bools:
        """State [pupil, competency] at the end of a day (index) of each pupil's own."""
        state = np.zeros((len(days), competencies), dtype=bool)
        until = self.day <= days[self.pupil]
        column = self.known_without if without_pilots else self.known
        # In order of day: of a pair's entries the last one stays.
        state[self.pupil[until], self.competency[until]] = column[until]
        return state


@dataclass(frozen=True)
class Work:
    """Everything pupils did, one entry an event, in order of day; times are UTC microseconds.

    ``score`` is what was sent: 1 or 0, of open tasks quarters, whose mean is the chance of a right answer; of these
    ``is_correct`` only says whether the pupil took it for wrong and may try again. ``kind`` is ATTEMPT, OPENING (an
    app was opened: engagement, no item) or COMPLETION (the time that a pilot took, no item either). ``known`` [pupil,
    competency] is the hidden state at the end, ``opportunities`` how often it was practised, ``states`` how it came to
    be; ``present`` [day, pupil] is attendance.
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
    score: Floats
    attempt: Ints
    hints: Ints
    duration_ms: Ints
    is_rapid: NDArray[np.bool_]
    event_us: Ints
    session: Ints
    known: Bools
    opportunities: Ints
    present: Bools
    states: States

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
    "score",
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

    known: Bools
    known_without: Bools
    opportunities: Ints
    tries: NDArray[np.int16]
    worked: Bools  # [pupil, competency], this day
    sessions: int = 0
    rows: dict[str, list[NDArray[np.generic]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    ends: list[States] = field(default_factory=list)

    def record(self, **columns: NDArray[np.generic] | int) -> None:
        size = len(columns["pupil"])  # type: ignore[arg-type]  # always an array: the pupils of this step
        for name in COLUMNS:
            value = columns.get(name, 0)
            self.rows[name].append(np.full(size, value) if isinstance(value, int) else value)

    def end_day(self, day: int, forget_daily: Floats, rng: np.random.Generator) -> None:
        """Some of what was known is forgotten, and what the day changed is written down."""
        keeps = rng.random(self.known.shape) >= forget_daily
        changed = self.worked | (self.known & ~keeps) | (self.known_without & ~keeps)
        self.known &= keeps
        self.known_without &= keeps
        pupil, competency = np.nonzero(changed if day else np.ones_like(changed))
        self.ends.append(
            States(
                pupil.astype(np.int32),
                competency.astype(np.int8),
                np.full(len(pupil), day, dtype=np.int16),
                self.known[pupil, competency],
                self.known_without[pupil, competency],
            )
        )
        self.worked[:] = False


def _start(world: World, rng: np.random.Generator) -> Bools:
    """Known before the first day: what earlier grades taught, more of it for the able."""
    students, leaves = world.students, world.leaves
    subject = np.array([0 if leaf.subject == "math" else 1 for leaf in leaves])
    order = np.array([leaf.order for leaf in leaves])
    first = world.classes.first_competency[students.class_before][:, subject]
    chance = np.where(order[None, :] < first, 0.8, 0.18)
    shifted = np.log(chance / (1 - chance)) + 0.7 * students.ability_by[:, subject]
    return np.asarray(rng.random(shifted.shape) < logistic(shifted))


def present_order(world: World, pupils: Ints, subject: int, day: Ints | int) -> Ints:
    """Order (0 to 19 in its subject) of the competency that each pupil's class is at on a day: it and all before it
    have been taught by then."""
    classes = world.classes
    room = world.students.class_on(pupils, subject, day)
    return np.minimum(classes.first_competency[room] + (day / classes.pace_days[room]).astype(np.int64), 19)


def _choose(world: World, pupils: Ints, subject: int, day: int, rng: np.random.Generator) -> Ints:
    """The competency (index) each pupil works on: mostly the class's present one, some review, a little ahead."""
    present = present_order(world, pupils, subject, day)
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
    base = right_logit(world.competency_truth, competency, known, ability, difficulty)
    chance = np.where(is_rapid, 0.25, logistic(base + boost + 0.5 * (hints > 0)))
    seconds = np.where(is_rapid, rng.uniform(0.6, 2.2, n), np.exp(rng.normal(3.1, 0.5, n)) + 6 * hints)
    is_correct = rng.random(n) < chance
    # A child of the generator: open tasks leave all other draws as they are.
    quarters = rng.spawn(1)[0].binomial(4, chance) / 4
    state.tries[pupils, item] += 1
    state.opportunities[pupils, competency] += 1
    state.worked[pupils, competency] = True
    return {
        "pupil": pupils,
        "item": item,
        "is_correct": is_correct,
        "score": np.where(world.items.are_rubric(item), quarters, is_correct),
        "attempt": state.tries[pupils, item].astype(np.int64),
        "hints": hints,
        "duration_ms": (seconds * 10).astype(np.int64) * 100 + 100,
        "is_rapid": is_rapid,
    }


def _learn(
    world: World, state: _State, answer: dict[str, NDArray[np.generic]], speed: Floats, rng: np.random.Generator
) -> None:
    """What the answer taught. One draw serves both states, so that a pilot's pupils never know less with it."""
    pupils = np.asarray(answer["pupil"], dtype=np.int64)
    competency = world.items.competency[np.asarray(answer["item"], dtype=np.int64)]
    ability = world.students.ability_by[pupils, competency // 20]
    before = np.full(len(world.leaves), -1)
    for origin, destination in world.edges:
        before[destination] = origin
    needed = before[competency]
    usual = world.competency_truth.learn[competency] * np.clip(1 + 0.35 * ability, 0.3, 2.0)
    usual = np.where(np.asarray(answer["is_rapid"], dtype=bool), 0.0, usual)
    u = rng.random(len(pupils))
    for known, chance in ((state.known, usual * speed[pupils]), (state.known_without, usual)):
        is_ready = (needed < 0) | known[pupils, np.maximum(needed, 0)]
        known[pupils, competency] |= u < chance * np.where(is_ready, 1.0, 0.35)


def _session(
    world: World, state: _State, pupils: Ints, subject: int, day: int, speed: Floats, rng: np.random.Generator
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
            _learn(world, state, answer, speed, rng)
            wrong = ~np.asarray(answer["is_correct"], dtype=bool) & ~np.asarray(answer["is_rapid"], dtype=bool)
            again = wrong & (rng.random(len(here)) < RETRY_SHARE)
            here, item = here[again], item[again]
            if not len(here):
                break


def _completed(
    world: World, state: _State, pilot: PilotTruth, present: Bools, day: int, rng: np.random.Generator
) -> None:
    """What the pupils of a pilot who are there send as completed: the time it took them since they sent it last.

    Whoever is in no school of the treatment any more does not have it any more.
    """
    students = world.students
    everyone = np.arange(len(students))
    here = np.flatnonzero(
        present & (pilot.start_day <= day) & np.isin(students.school_on(everyone, day), pilot.treated)
    )
    here = here[students.join_day[here] <= day]
    n = len(here)
    before = max((d for d in pilot.session_days if d < day), default=pilot.first_day - 1)
    days = day - np.maximum(before, pilot.start_day[here] - 1)
    if day == pilot.session_days[-1]:
        days += pilot.last_day - day
    minutes = pilot.minutes_a_day * days * pilot.dose[here] * rng.normal(1.0, 0.15, n)
    seconds = np.maximum(60, np.round(60 * minutes)).astype(np.int64)
    room, school = students.class_on(here, pilot.subject, day), students.school_on(here, day)
    start = world.classes.starts_minute[room] * 60 + rng.integers(60, 600, n)
    state.record(
        pupil=here,
        kind=COMPLETION,
        item=-1,
        subject=pilot.subject,
        day=day,
        school=school,
        classroom=room,
        source=world.source(school, pilot.subject),
        session=state.sessions + np.arange(n),
        duration_ms=seconds * 1000,
        event_us=world.dates.midnight_us[day] + (start + seconds) * 1_000_000,
    )
    state.sessions += n


def simulate_work(
    world: World,
    pilots: list[PilotTruth],
    seed: int,
    on_progress: Callable[[str, int, int], None] | None = None,
    activity: float = 1.0,
) -> Work:
    """Let the days go by. The same world and seed give the same work. ``activity`` is how often pupils open their apps,
    beside what they do in a pilot: 1 is 2.2 events a school day."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    # Draws of its own: the rest of the work is the same with and without it.
    of_pilots = np.random.default_rng(np.random.SeedSequence([seed, 14]))
    students, days = world.students, len(world.dates.days)
    count = len(students)
    known = _start(world, rng)
    state = _State(
        known=known,
        known_without=known.copy(),
        opportunities=np.zeros(known.shape, dtype=np.int64),
        tries=np.zeros((count, len(world.items.ids)), dtype=np.int16),
        worked=np.zeros(known.shape, dtype=bool),
    )
    present = rng.random((days, count)) < np.clip(0.955 + 0.015 * students.ability, 0.8, 0.995)
    everyone = np.arange(count)
    for day in range(days):
        for subject in range(2):
            school = students.school_on(everyone, day)
            is_silent = (world.source(school, subject) == world.silent_source) & (day >= world.silent_from)
            active = present[day] & (rng.random(count) < activity * SESSIONS_A_DAY * students.activity)
            active &= (day >= students.join_day) & ~is_silent
            speed = np.ones(count)
            for pilot in pilots:
                if pilot.subject == subject and pilot.first_day <= day <= pilot.last_day:
                    speed = np.where(pilot.start_day <= day, speed * (1 + pilot.learns_faster), speed)
            _session(world, state, np.flatnonzero(active), subject, day, speed, rng)
        for pilot in pilots:
            if day in pilot.session_days:
                _completed(world, state, pilot, present[day], day, of_pilots)
        state.end_day(day, world.competency_truth.forget_daily, rng)
        if on_progress:
            on_progress("pupils at work", day + 1, days)
    columns = {name: np.concatenate(parts) for name, parts in state.rows.items()}
    states = States(*(np.concatenate([getattr(end, f.name) for end in state.ends]) for f in fields(States)))
    return Work(**columns, known=state.known, opportunities=state.opportunities, present=present, states=states)


__all__ = ["ATTEMPT", "COMPLETION", "NEVER", "OPENING", "SOURCES", "States", "Work", "present_order", "simulate_work"]
