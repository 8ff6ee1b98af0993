"""Can this design ever tell? The smallest effect that it detects, the smallest p, and a plain word on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy.special import stdtr, stdtrit

from cairn.errors import CairnError
from pilots.allocation_sets import MOST
from pilots.decision import FORMATIVE_BELOW

CAN, MAY, CANNOT = "can tell", "may tell", "cannot tell"
# A design that detects no less than this many times the effect it is to find cannot tell.
HOPELESS = 2.0
NO_CHANGE = "No change within the limits given lets it tell; effects of programmes are mostly under 0.20 SD."


@dataclass(frozen=True)
class Design:
    """A two-level design that assigns schools: schools in each arm, and ``pupils_per_school`` measured.

    ``icc`` is the share of variance between schools; ``r2_school`` and ``r2_pupil`` what a pretest explains of the
    variance between and within schools; ``blocks`` how many groups of schools are drawn apart, and ``r2_blocks`` what
    they explain of the variance between schools that a pretest leaves. ``covariates`` are what the analysis adjusts
    schools for beside blocks, each at the price of a degree of freedom. ``alpha`` is the level of the two-sided test,
    ``power`` the chance wanted to find an effect. Raises CairnError where no degree of freedom is left.
    """

    treated_schools: int
    comparison_schools: int
    pupils_per_school: float
    icc: float
    r2_school: float = 0.0
    r2_pupil: float = 0.0
    blocks: int = 1
    r2_blocks: float = 0.0
    covariates: int = 0
    alpha: float = 0.05
    power: float = 0.80
    is_random: bool = True

    def __post_init__(self) -> None:
        if min(self.treated_schools, self.comparison_schools) < 1:
            raise CairnError(
                f"{self.treated_schools} schools with the change and {self.comparison_schools} without: a comparison "
                "needs one of each at least"
            )
        if self.df < 1:
            raise CairnError(
                f"{self.schools} schools in {self.blocks} block(s) with {self.covariates} covariate(s) leave no degrees"
                f" of freedom: give at least {self.blocks + self.covariates + 2} schools"
            )
        if self.blocks > min(self.treated_schools, self.comparison_schools):
            raise CairnError(f"{self.blocks} blocks need a school of each arm in every one: give fewer blocks")

    @property
    def schools(self) -> int:
        """Schools of both arms."""
        return self.treated_schools + self.comparison_schools

    @property
    def smaller_arm(self) -> int:
        """Schools of the smaller arm."""
        return min(self.treated_schools, self.comparison_schools)

    @property
    def df(self) -> int:
        """Degrees of freedom: schools, less one for each block and covariate and one for the effect."""
        return self.schools - self.blocks - self.covariates - 1

    @property
    def between_variance(self) -> float:
        """Variance between schools that pretest and blocks leave, in squared SD of the outcome."""
        return self.icc * (1 - self.r2_school) * (1 - self.r2_blocks)

    @property
    def within_variance(self) -> float:
        """Variance of a school's mean given the school, in squared SD."""
        return (1 - self.icc) * (1 - self.r2_pupil) / self.pupils_per_school

    @property
    def standard_error(self) -> float:
        """Standard error of the effect, in SD (Bloom 1995; Dong and Maynard 2013, two levels)."""
        spread = self.treated_schools * self.comparison_schools / self.schools
        return math.sqrt((self.between_variance + self.within_variance) / spread)

    @property
    def mdes(self) -> float:
        """Minimum detectable effect size, in SD: (t(1 - alpha/2) + t(power)) standard errors at :attr:`df`."""
        return float(stdtrit(self.df, 1 - self.alpha / 2) + stdtrit(self.df, self.power)) * self.standard_error

    @property
    def smallest_p(self) -> float:
        """The smallest p of an exact permutation, the blocks being as alike in size as they can be."""
        return smallest_p(self.treated_schools, self.comparison_schools, self.blocks)

    def power_at(self, effect: float) -> float:
        """Chance to find an effect of this size, in SD; the wanted power where it is the MDES."""
        return float(stdtr(self.df, effect / self.standard_error - stdtrit(self.df, 1 - self.alpha / 2)))

    def verdict(self, effect: float) -> str:
        """Whether it can tell an effect of this size from none: 'can tell', 'may tell' or 'cannot tell'."""
        if self.smaller_arm < FORMATIVE_BELOW or (self.is_random and self.smallest_p > self.alpha):
            return CANNOT
        if self.mdes <= effect:
            return CAN
        return CANNOT if self.mdes > HOPELESS * effect else MAY


@dataclass(frozen=True)
class Step:
    """One wave: schools that have the change by then, those that have it not yet or never, and what that can tell."""

    wave: int
    treated_schools: int
    comparison_schools: int
    mdes: float
    smallest_p: float


def mdes(
    treated_schools: int,
    comparison_schools: int,
    pupils_per_school: float,
    icc: float,
    r2: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.80,
    r2_pupil: float | None = None,
) -> float:
    """Minimum detectable effect size, in SD, without blocks; see :class:`Design`.

    ``r2`` is the share of variance between schools that the baseline explains, and of that within unless ``r2_pupil``
    is given.
    """
    within = r2 if r2_pupil is None else r2_pupil
    return Design(
        treated_schools, comparison_schools, pupils_per_school, icc, r2, within, alpha=alpha, power=power
    ).mdes


def detectable(half_width: float, df: float, alpha: float = 0.05, power: float = 0.80) -> float:
    """The effect that a comparison as exact as this one finds with the power asked for, in the unit of ``half_width``.

    ``half_width`` is half of its 1 - alpha interval at ``df`` degrees of freedom: the standard error follows from it,
    and an effect is found where it is (t(1-alpha/2) + t(power)) standard errors (Bloom 1995).
    """
    critical = float(stdtrit(df, 1 - alpha / 2))
    return half_width * (critical + float(stdtrit(df, power))) / critical


def smallest_p(treated_schools: int, comparison_schools: int, blocks: int = 1) -> float:
    """The smallest two-sided p that an exact permutation of schools can reach.

    2 over the number of allocations where the mirror image of each is one too (equal arms in every block), else 1
    over it; one block has C(G, k).
    """
    total, is_mirrored = 1, True
    for block in range(blocks):
        treated, comparison = (_share_of(n, blocks, block) for n in (treated_schools, comparison_schools))
        total *= math.comb(treated + comparison, treated)
        is_mirrored = is_mirrored and treated == comparison
    return min(1.0, (2.0 if is_mirrored else 1.0) / total)


def _share_of(schools: int, blocks: int, block: int) -> int:
    """Schools in one of so many blocks that are as alike in size as they can be."""
    return schools // blocks + (1 if block < schools % blocks else 0)


def by_wave(design: Design, waves: int, sizes: Sequence[int] | None = None) -> list[Step]:
    """What each wave's outcome window can tell, where treated schools begin in ``waves`` of them: as many in each as
    ``sizes`` says, else as alike as they can be, earlier ones larger.

    In a window, schools that have not begun yet stand beside those that never do. The same schools seen again are not
    new information, so windows are told apart and not added up.
    """
    if not 1 <= waves <= design.treated_schools:
        raise CairnError(f"{waves} waves of {design.treated_schools} schools: each wave needs a school")
    steps, begun = [], 0
    for wave, size in enumerate(sizes or [_share_of(design.treated_schools, waves, wave) for wave in range(waves)]):
        begun += size
        rest = design.schools - begun
        # Blocks are of the draw as a whole: within them, waves are too small to be counted on.
        one = Design(
            begun, rest, design.pupils_per_school, design.icc, design.r2_school, design.r2_pupil,
            covariates=design.covariates, alpha=design.alpha, power=design.power, is_random=design.is_random,
        )  # fmt: skip
        steps.append(Step(wave + 1, begun, rest, one.mdes, one.smallest_p))
    return steps


@dataclass(frozen=True)
class InWaves:
    """Whether waves can tell. ``orders``: ways to give the schools their starts; ``smallest_p`` what a permutation over
    them can reach; ``best`` the wave whose window detects the least effect."""

    orders: int
    smallest_p: float
    best: Step
    verdict: str
    text: str


def in_waves(design: Design, steps: Sequence[Step], effect: float, possible: int | None = None) -> InWaves | None:
    """What a pilot in these waves can tell of ``effect``, the one to find; None where all schools begin together.

    ``possible`` is how many orders the plan's wave blocks have (``order_sets.possible_orders``); None: all schools are
    one block. A draw keeps at most ``MOST`` of them, so p reaches no less than one over that.

    Its word rests on the best single window: the estimate over all windows is a little surer, by how much depends on
    how schools drift from window to window, which nobody knows before.
    """
    if len(steps) < 2:
        return None
    begun = [0, *(one.treated_schools for one in steps)]
    sizes = [design.schools - begun[-1], *(later - earlier for earlier, later in pairwise(begun))]
    orders = possible or math.factorial(design.schools) // math.prod(math.factorial(size) for size in sizes)
    smallest = 1 / min(orders, MOST)
    best = min(steps, key=lambda one: one.mdes)
    if design.smaller_arm < FORMATIVE_BELOW or (design.is_random and smallest > design.alpha):
        verdict = CANNOT
    else:
        verdict = CAN if best.mdes <= effect else CANNOT if best.mdes > HOPELESS * effect else MAY
    text = (
        f"In {len(steps)} waves it {verdict}: starts can be given to these schools in {orders:.6g} ways, so that p"
        f" reaches {smallest:.2g}, and the window after wave {best.wave} alone detects {best.mdes:.2f} SD; the effect"
        f" to find is {effect:.2f} SD."
    )
    return InWaves(orders, smallest, best, verdict, text)


def findings(design: Design, effect: float) -> list[str]:
    """What the design can tell of ``effect``, the one to find, a sentence each."""
    lines = []
    if design.smaller_arm < FORMATIVE_BELOW:
        lines.append(
            f"Formative only: {design.smaller_arm} schools in the smaller arm; {FORMATIVE_BELOW} in each would let it "
            "tell."
        )
    if design.is_random and design.smallest_p > design.alpha:
        lines.append("This design cannot reach significance.")
    lines.append(f"It would detect an effect of {design.mdes:.2f} SD or more.")
    if design.mdes > effect:
        found = 100 * design.power_at(effect)
        lines.append(f"An effect of {effect:.2f} SD would be found in {found:.0f} of 100 cases.")
    if not design.is_random:
        lines.append("Schools are not drawn at random: part of a difference may have been there before.")
    return lines


def advice(design: Design, effect: float, change: str | None = None) -> str:
    """What to do about it, in a few sentences: ``effect`` is the one to find, ``change`` the cheapest that helps."""
    verdict, lines = design.verdict(effect), findings(design, effect)
    if verdict == CANNOT:
        lines.insert(0, "This pilot cannot tell.")
    if verdict != CAN:
        lines.append(change or NO_CHANGE)
    return " ".join(lines)
