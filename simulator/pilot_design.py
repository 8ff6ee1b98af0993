"""The simulated pilots: who is in which arm and wave, how much of it reached whom, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from cairn.errors import UsageError
from simulator.dates import Dates
from simulator.pilot_kinds import (
    FIRST_TWO,
    HELD_BACK,
    SCHOOLS_OF_SIX,
    SIX,
    VOLUNTEERS,
    WAVES,
    WAVES_OF,
    Kind,
    first_school,
    volunteering_schools,
)
from simulator.world import NEVER, World

ARM_SIZE_MAX = 10
MINUTES_A_DAY = 12.0
SESSION_WEEKDAYS = (1, 3)  # Tuesday and Thursday, on which what was done since the last one is sent as completed
FEWEST_DAYS_OF_SIX = 30  # school days, for three waves and the windows between them

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# (pilot, blocks of its schools, pupils of each school, of each block how many are held back and how many start in each
# wave, seed) -> the wave of each school, 0 where it is held back
DrawSchools = Callable[
    [str, Sequence[Sequence[str]], Mapping[str, int], Sequence[Sequence[int]], int], Mapping[str, int]
]


@dataclass(frozen=True)
class PilotTruth:
    """One pilot as it really is. ``pool`` lists its schools, ``treated`` those of them in treatment (indices).

    ``wave`` is that of each school of the pool, from 1 (0: it has none), ``wave_days`` each wave's first
    day. ``start_day`` (NEVER where it has none) and ``dose`` (share of planned minutes) are by pupil, as assigned by
    the school of the first day; ``minutes_a_day`` are those planned, ``planned_minutes`` what a pupil of the last wave
    has of them.
    """

    kind: Kind
    pool: tuple[int, ...]
    treated: tuple[int, ...]
    assignment_seed: int
    is_blocked: bool
    last_day: int
    wave: Mapping[int, int]
    wave_days: tuple[int, ...]
    minutes_a_day: float
    start_day: Ints
    dose: Floats
    session_days: tuple[int, ...]
    milestones: tuple[tuple[str, date], ...]

    @property
    def pilot_id(self) -> str:
        """Identifier, as in the plan."""
        return self.kind.pilot_id

    @property
    def subject(self) -> int:
        """Subject it is about."""
        return self.kind.subject

    @property
    def effect_sd(self) -> float:
        """True effect, on average over those treated."""
        return self.kind.effect_sd

    @property
    def learns_faster(self) -> float:
        """Share by which pupils in treatment learn more at each answer."""
        return self.kind.learns_faster

    @property
    def first_day(self) -> int:
        """First day on which any school has it."""
        return self.wave_days[0]

    @property
    def is_treated(self) -> NDArray[np.bool_]:
        """By pupil."""
        return np.asarray(self.start_day < NEVER)

    @property
    def planned_minutes(self) -> float:
        """Minutes a pupil, in total."""
        return self.minutes_a_day * max(1, self.last_day - self.wave_days[-1] + 1)

    @property
    def comparison(self) -> tuple[int, ...]:
        """Schools of the pool that are not treated."""
        return tuple(s for s in self.pool if s not in self.treated)

    @property
    def blocks(self) -> list[list[int]]:
        """Schools within which the draw was made: elementary and middle schools; one block where there are none."""
        return _bands(self.pool) if self.is_blocked else [list(self.pool)]


def _bands(pool: Sequence[int]) -> list[list[int]]:
    return [[s for s in pool if s % 2 == band] for band in (0, 1)]


def draw_uniformly(
    pilot_id: str,
    blocks: Sequence[Sequence[str]],
    pupils: Mapping[str, int],
    sizes: Sequence[Sequence[int]],
    seed: int,
) -> Mapping[str, int]:
    """Every order with such sizes in each block is as likely; a :data:`DrawSchools`."""
    rng = np.random.default_rng(seed)
    found: dict[str, int] = {}
    for block, (held_back, *waves) in zip(blocks, sizes, strict=True):
        one = np.repeat([*range(1, len(waves) + 1), 0], [*waves, held_back])
        found |= {block[int(k)]: int(wave) for k, wave in zip(rng.permutation(len(block)), one, strict=True)}
    return found


def _pool(which: int, schools: int) -> list[int]:
    """Schools of pilot ``which`` of two: half of the district each, at most 20, as many elementary as middle schools;
    one pilot of two or three schools, none of one."""
    if schools < 4:
        return [0, 1] if schools >= 2 and which == 0 else []
    half = min(schools // 2, 2 * ARM_SIZE_MAX)
    if half >= 4:
        half -= half % 4  # both bands split into two arms of the same size
    elif half == 3:
        half = 2
    return list(range(which * half, which * half + half))


def need_room(pilots: int, schools: int, days: int) -> None:
    """Raise UsageError where a district of this size does not hold so many pilots."""
    if pilots not in (len(FIRST_TWO), len(SIX)):
        raise UsageError(f"--pilots {pilots}: a district has {len(FIRST_TWO)} or all {len(SIX)}")
    if pilots == len(SIX) and (schools < sum(SCHOOLS_OF_SIX) or days < FEWEST_DAYS_OF_SIX):
        raise UsageError(
            f"--pilots {pilots} with --schools {schools} --days {days}: all six need {sum(SCHOOLS_OF_SIX)} schools and "
            f"{FEWEST_DAYS_OF_SIX} days"
        )


def design_pilots(
    world: World, seed: int, pilots: int = len(FIRST_TWO), draw: DrawSchools = draw_uniformly
) -> list[PilotTruth]:
    """The pilots that a district of this size can hold: two from four schools on, one of two or three, else none.

    With 24 schools each has six schools an arm. Fewer give smaller arms, down to one school each. ``pilots`` 6 gives
    all six, with as many schools as they need (:func:`need_room`). Schools of the four that only such a district has
    are drawn by ``draw``, where they are drawn.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    has_six = pilots == len(SIX)
    found = []
    for which, kind in enumerate(SIX[:pilots]):
        first = first_school(which)
        pool = list(range(first, first + SCHOOLS_OF_SIX[which])) if has_six else _pool(which, len(world.school_ids))
        if len(pool) >= 2:
            found.append(_design(world, kind, pool, draw if which >= len(FIRST_TWO) else None, rng))
    return found


def _design(
    world: World, kind: Kind, pool: list[int], draw: DrawSchools | None, rng: np.random.Generator
) -> PilotTruth:
    seed = int(rng.integers(1, 2**31))
    # The four of a district with six are in blocks however small, so that both arms and all waves have all grades.
    is_blocked = len(pool) >= 12 or draw is not None
    days = wave_days(world.dates) if kind.design == WAVES else world.dates.pilot[:1]
    wave = _waves(world, kind, _bands(pool) if is_blocked else [pool], len(days), draw or draw_uniformly, seed)
    treated = tuple(school for school in pool if wave[school])
    start_of = np.full(len(world.school_ids), NEVER)
    start_of[list(treated)] = [days[wave[school] - 1] for school in treated]
    start_day = start_of[world.students.school]
    last = world.dates.pilot[1]
    return PilotTruth(
        kind=kind,
        pool=tuple(pool),
        treated=treated,
        assignment_seed=seed,
        is_blocked=is_blocked,
        last_day=last,
        wave=wave,
        wave_days=days,
        minutes_a_day=MINUTES_A_DAY,
        start_day=start_day,
        dose=np.where(start_day < NEVER, _dose(world, kind, rng), 0.0),
        session_days=_session_days(world.dates, days[0], last),
        milestones=_milestones(world.dates, days[0], last),
    )


def _waves(
    world: World, kind: Kind, groups: list[list[int]], waves: int, draw: DrawSchools, seed: int
) -> dict[int, int]:
    """The wave of each school, 0 where it does not have it: half of the schools have it, in waves all but those held
    back; those that volunteered, else those drawn."""
    if kind.design == VOLUNTEERS:
        volunteers = volunteering_schools(len(SIX))
        return {school: int(school in volunteers) for group in groups for school in group}
    held_back = [HELD_BACK // 2 if waves > 1 else len(group) - len(group) // 2 for group in groups]
    sizes = [[none, *[(len(group) - none) // waves] * waves] for group, none in zip(groups, held_back, strict=True)]
    blocks = [[world.school_ids[school] for school in group] for group in groups]
    drawn = draw(kind.pilot_id, blocks, rostered_pupils(world), sizes, seed)
    return {school: drawn[world.school_ids[school]] for group in groups for school in group}


def rostered_pupils(world: World) -> dict[str, int]:
    """Pupils of each school by their newest enrolment: what a draw of schools finds in the roster."""
    count = np.bincount(world.students.school_after, minlength=len(world.school_ids))
    return dict(zip(world.school_ids, count.tolist(), strict=True))


def wave_days(dates: Dates) -> tuple[int, ...]:
    """First day (index) of each wave: the pilots' first, then the day after each window between."""
    return (dates.pilot[0], *(high + 1 for _, high in dates.between))[:WAVES_OF]


def _dose(world: World, kind: Kind, rng: np.random.Generator) -> Floats:
    """Share of the planned minutes that each pupil would get."""
    count = len(world.students)
    if kind.is_taken_up:
        return np.clip(rng.normal(1.2, 0.14, count), 0.2, 2.0)
    by_school = rng.uniform(0.35, 1.2, len(world.school_ids))
    return np.clip(by_school[world.students.school] + rng.normal(0, 0.2, count), 0.0, 2.0)


def _session_days(dates: Dates, first: int, last: int) -> tuple[int, ...]:
    """Days on which completed work is sent; the last day where there is none of those weekdays."""
    days = [day for day in range(first, last + 1) if dates.days[day].weekday() in SESSION_WEEKDAYS]
    return tuple(days or [last])


def _milestones(dates: Dates, first: int, last: int) -> tuple[tuple[str, date], ...]:
    due = [min(first + k, len(dates.days) - 1) for k in (0, (last - first) // 3, 2 * (last - first) // 3)]
    names = ("teachers trained", "first cycle reviewed", "second cycle reviewed")
    return tuple((name, dates.days[day]) for name, day in zip(names, due, strict=True))
