"""The simulated pilots: who is in which arm, what the true effect is, how much of it reached whom, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from simulator.world import World

ARM_SIZE_MAX = 10
MINUTES_A_DAY = 12.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """What one of the two pilots is about.

    ``effect_sd`` is the truth, in standard deviations of the outcome: for one that works, the size that such
    programmes mostly have (.05 to .15), not one that a small pilot must find. ``learns_faster`` is the share by which
    its pupils learn more at each answer: that part of the effect shows in their work too. ``barrier`` is its kind, as
    in the plan's form, and what it is.
    """

    pilot_id: str
    title: str
    subject: int
    effect_sd: float
    learns_faster: float
    change: str
    reason: str
    vision: str
    gap: str
    causes: tuple[str, ...]
    on_monday: tuple[str, ...]
    partner: str
    barrier: tuple[str, str]
    licence_usd: float
    training_usd: float
    device_usd: float


KINDS = (
    Kind(
        "fraction-studio",
        "Fraction Studio: small-group practice chosen by mastery",
        0,
        0.15,
        0.15,
        "give pupils a daily studio period with practice chosen by what they have mastered",
        "practice at the edge of what a pupil knows is what moves it",
        "Every pupil practises each day at the edge of what she knows, and is seen by an adult when she is stuck.",
        "one in three pupils enters middle school without equivalent fractions",
        ("practice is the same for all of a class", "nobody sees who is stuck before the unit ends"),
        (
            "open the studio page of the class and take the groups as they stand",
            "sit with the group that is stuck, twelve minutes; the others practise what the page names",
            "write down what the group could say at the end, and see it again on Thursday",
        ),
        "Tallypath",
        ("scheduling", "a daily period of twelve minutes in the timetable of every class"),
        24.0,
        2_400.0,
        0.0,
    ),
    Kind(
        "reading-companion",
        "Reading Companion: an adaptive reading app at home",
        1,
        0.0,
        0.0,
        "give pupils an adaptive reading app for use at home",
        "more reading at the right level builds comprehension",
        "Every pupil reads each day at home, at a level that is neither boring nor out of reach.",
        "half of the pupils read less than ten minutes a day out of school",
        ("few books at the right level at home", "families do not know which level is right"),
        (
            "let every pupil choose one book of the level that the app names",
            "agree with families on a quarter of an hour a day, and on who listens",
        ),
        "Lumenread",
        ("connectivity", "pupils without a connection at home"),
        18.0,
        900.0,
        1_500.0,
    ),
)


@dataclass(frozen=True)
class PilotTruth:
    """One pilot as it really is. ``pool`` lists its schools, ``treated`` those of them in treatment (indices);
    ``is_treated`` and ``dose`` (share of planned minutes) are by pupil, as assigned by the school of the first day."""

    kind: Kind
    pool: tuple[int, ...]
    treated: tuple[int, ...]
    assignment_seed: int
    is_blocked: bool
    first_day: int
    last_day: int
    planned_minutes: float
    is_treated: NDArray[np.bool_]
    dose: Floats
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
    def comparison(self) -> tuple[int, ...]:
        """Schools of the pool that are not treated."""
        return tuple(s for s in self.pool if s not in self.treated)


def _draw(pool: list[int], is_blocked: bool, seed: int) -> tuple[int, ...]:
    """Half of the pool, uniformly; in blocks of elementary and middle schools where there are enough of both."""
    rng = np.random.default_rng(seed)
    groups = [[s for s in pool if s % 2 == band] for band in (0, 1)] if is_blocked else [pool]
    return tuple(sorted(int(s) for group in groups for s in rng.permutation(group)[: len(group) // 2]))


def _pool(which: int, schools: int) -> list[int]:
    """Schools of pilot ``which``: half of the district each, at most 20, as many elementary as middle schools."""
    half = min(schools // 2, 2 * ARM_SIZE_MAX)
    if half >= 4:
        half -= half % 4  # both bands split into two arms of the same size
    elif half == 3:
        half = 2
    return list(range(which * half, which * half + half))


def design_pilots(world: World, seed: int) -> list[PilotTruth]:
    """The pilots that a district of this size can hold: two from four schools on, one of two or three, else none.

    With 24 schools each has six schools an arm. Fewer give smaller arms, down to one school each.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    schools, (first, last) = len(world.school_ids), world.dates.pilot
    planned = MINUTES_A_DAY * max(1, last - first + 1)
    due = [min(first + k, len(world.dates.days) - 1) for k in (0, (last - first) // 3, 2 * (last - first) // 3)]
    names = ("teachers trained", "first cycle reviewed", "second cycle reviewed")
    pilots = []
    for which, kind in enumerate(KINDS):
        pool = _pool(which, schools) if schools >= 4 else ([0, 1] if schools >= 2 and which == 0 else [])
        if len(pool) < 2:
            continue
        assignment_seed = int(rng.integers(1, 2**31))
        is_blocked = len(pool) >= 12
        treated = _draw(pool, is_blocked, assignment_seed)
        is_treated = np.isin(world.students.school, treated)
        count = len(world.students)
        if which == 0:
            dose = np.clip(rng.normal(1.2, 0.14, count), 0.2, 2.0)
        else:
            by_school = rng.uniform(0.35, 1.2, schools)
            dose = np.clip(by_school[world.students.school] + rng.normal(0, 0.2, count), 0.0, 2.0)
        pilots.append(
            PilotTruth(
                kind=kind,
                pool=tuple(pool),
                treated=treated,
                assignment_seed=assignment_seed,
                is_blocked=is_blocked,
                first_day=first,
                last_day=last,
                planned_minutes=planned,
                is_treated=is_treated,
                dose=np.where(is_treated, dose, 0.0),
                milestones=tuple((name, world.dates.days[d]) for name, d in zip(names, due, strict=True)),
            )
        )
    return pilots
