"""How sure a durable share is: a distribution around its logit, told by what followed (:mod:`.doubt_fit`).

The regression says how right pupils with such a history are on average; one pupil is stronger or weaker than that by an
unknown ``e ~ N(0, s ** 2)`` on the logit, with ``log s = a + b log n + c log(4 m (1 - m)) + d log(1 + gap in days)``: n
attempts so far, m the share; ``b`` at most 0 and ``d`` at least 0, so that doubt narrows with evidence and widens with
time.

Where the answers say clearly that there are two groups, those who can and those who cannot (a hidden yes or no), the
doubt is which one the pupil is in: ``e`` is of two normals of that width. Who can stands at the logit ``high``, or at
the mean where that is above it; who cannot at ``low``, or at the mean where that is under it (both by a softened
maximum, ``x + T log(1 + exp((high - x) / T))``). How likely each group is follows from the mean, which stays what it
is: ``chance of can = (m - m_cannot) / (m_can - m_cannot)``.

An average over a normal of logistic curves is flatter than one curve, so the logit is stretched by ``sqrt(1 + C s **
2)``: the mean share stays the regression's (approximation of Zeger, Liang and Albert 1988, C = (16 sqrt(3) / (15 pi))
** 2).

Compiled, a row at a time: the fold of a night asks for one pair, an evaluation for many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from scipy.special import ndtri

from cairn.mastery.bkt import FloatArray

C = (16.0 * np.sqrt(3.0) / (15.0 * np.pi)) ** 2
NARROWEST, WIDEST = 0.05, 3.0
EDGE = 1e-3
# T above, in logits, and how far apart two groups are at least, so that their chances can be told.
SOFTENED, APART = 0.25, 1e-6
BISECTIONS = 50
# A quantile is told to this, on the logit, or as well as chances are told apart.
CLOSE, ROUNDING = 1e-14, 2e-16
# Widths beyond which nobody is looked for.
FARTHEST = 8.0
# Logits beyond which a chance is as good as 0 or 1.
FARTHEST_LOGIT = 35.0


@dataclass(frozen=True)
class Groups:
    """Logits of who can and who cannot, were the doubt which of the two a pupil is."""

    high: float
    low: float


@numba.njit(cache=True, nogil=True)
def chance_of(logit: float) -> float:
    """The probability of a logit."""
    return 1.0 / (1.0 + math.exp(-min(max(logit, -FARTHEST_LOGIT), FARTHEST_LOGIT)))


@numba.njit(cache=True, nogil=True)
def _normal_below(z: float) -> float:
    """P(a standard normal is at most so much)."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@numba.njit(cache=True, nogil=True)
def _density(z: float) -> float:
    """Of a standard normal."""
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


@numba.njit(cache=True, nogil=True)
def spread_around(
    share: float, tries: float, gap_days: float, doubt: FloatArray
) -> tuple[float, float, float, float, float]:
    """(width, stretch, upper, up, down) as :class:`Spread` has them; ``doubt`` as :attr:`Doubt.numbers`."""
    inside = min(max(share, EDGE), 1.0 - EDGE)
    log = doubt[0] + doubt[1] * math.log(max(tries, 1.0)) + doubt[3] * math.log1p(gap_days)
    log += doubt[2] * math.log(4.0 * inside * (1.0 - inside))
    width = min(max(math.exp(min(max(log, -20.0), 20.0)), NARROWEST), WIDEST)
    stretch = math.sqrt(1.0 + C * width * width)
    if doubt.size == 4:
        return width, stretch, 1.0, 0.0, 0.0
    logit = math.log(inside / (1.0 - inside))
    above, under = (doubt[4] - logit) / SOFTENED, (logit - doubt[5]) / SOFTENED
    up = SOFTENED * (max(above, 0.0) + math.log1p(math.exp(-abs(above)))) + APART
    down = SOFTENED * (max(under, 0.0) + math.log1p(math.exp(-abs(under)))) + APART
    can, cannot = chance_of(logit + up), chance_of(logit - down)
    return width, stretch, (inside - cannot) / (can - cannot), up * stretch, down * stretch


@numba.njit(cache=True, nogil=True)
def below(e: float, width: float, upper: float, up: float, down: float) -> float:
    """P(the pupil is off the average by at most ``e``)."""
    found: float = upper * _normal_below((e - up) / width)
    return found if upper == 1.0 else found + (1.0 - upper) * float(_normal_below((e + down) / width))


@numba.njit(cache=True, nogil=True)
def quantile_at(normal: float, level: float, width: float, upper: float, up: float, down: float) -> float:
    """The ``e`` that so large a share lies under; ``normal`` is a standard normal's (:func:`normal_quantile`)."""
    if upper == 1.0 and up == 0.0:
        return normal * width
    # Newton's steps, halving where they leave the bounds or hardly get smaller: nine or so in place of fifty.
    low, high = normal * width - down, normal * width + up
    found, last = (low + high) / 2.0, high - low
    for _ in range(2 * BISECTIONS):
        over = below(found, width, upper, up, down) - level
        if abs(over) <= ROUNDING:
            break
        low, high = (found, high) if over < 0.0 else (low, found)
        slope = upper * _density((found - up) / width) + (1.0 - upper) * _density((found + down) / width)
        step = over * width / slope if slope > 0.0 else np.inf
        if not low < found - step < high or abs(step) > last / 2.0:
            step = found - (low + high) / 2.0
        found, last = found - step, abs(step)
        if last <= CLOSE:
            break
    return found


@numba.njit(cache=True, nogil=True)
def mean_chance(logit: float, reference: FloatArray, stretch: float, e: float) -> float:
    """The share of the reference items (their logits) that a pupil gets right who is off the average by ``e``."""
    total = 0.0
    for point in reference:
        total += chance_of((logit + point) * stretch + e)
    return total / reference.size


def normal_quantile(level: float) -> float:
    """The quantile of a standard normal."""
    return float(ndtri(level))


@dataclass(frozen=True)
class Spread:
    """The distribution of ``e`` of each row (n), on the logit: two normals of ``width``, at ``up`` and minus ``down``.

    upper: the chance of the one at ``up``. Of one group, ``up`` and ``down`` are 0 and ``upper`` is 1. stretch: what
    the logits of items are multiplied by.
    """

    width: FloatArray
    stretch: FloatArray
    upper: FloatArray
    up: FloatArray
    down: FloatArray

    def below(self, e: FloatArray) -> FloatArray:
        """P(e is at most so much), of each row."""
        found: FloatArray = _below(e, self.width, self.upper, self.up, self.down)
        return found

    def quantile(self, level: float) -> FloatArray:
        """The ``e`` that so large a share of each row's distribution lies under."""
        shape = self.width, self.upper, self.up, self.down
        found: FloatArray = _quantiles(normal_quantile(level), level, *shape)
        return found


@dataclass(frozen=True)
class Doubt:
    """Coefficients of the logarithm of the width: a, b, c, d above; groups: None where there is one only."""

    level: float
    by_tries: float
    by_spread: float
    by_gap: float
    groups: Groups | None = None

    @property
    def numbers(self) -> FloatArray:
        """a, b, c, d, and of two groups high and low behind them."""
        one = [self.level, self.by_tries, self.by_spread, self.by_gap]
        return np.array(one if self.groups is None else [*one, self.groups.high, self.groups.low], dtype=np.float64)

    @classmethod
    def of(cls, numbers: FloatArray) -> Doubt:
        """From :attr:`numbers`."""
        a, b, c, d, *groups = (float(number) for number in numbers)
        return cls(a, b, c, d, Groups(*groups) if groups else None)

    def width(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> FloatArray:
        """Standard deviation on the logit (of either group), of shares after so many tries asked after so many days."""
        return self.around(share, tries, gap_days).width

    def around(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> Spread:
        """The distribution around shares after so many tries asked after so many days."""
        return Spread(*_spreads(share, tries, gap_days, self.numbers))


@numba.njit(cache=True, nogil=True)
def _spreads(
    share: FloatArray, tries: FloatArray, gap_days: FloatArray, doubt: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    width, stretch, upper, up, down = (
        np.empty(share.size),
        np.empty(share.size),
        np.empty(share.size),
        np.empty(share.size),
        np.empty(share.size),
    )
    for row in range(share.size):
        found = spread_around(share[row], tries[row], gap_days[row], doubt)
        width[row], stretch[row], upper[row], up[row], down[row] = found
    return width, stretch, upper, up, down


@numba.njit(cache=True, nogil=True)
def _below(e: FloatArray, width: FloatArray, upper: FloatArray, up: FloatArray, down: FloatArray) -> FloatArray:
    found = np.empty(e.size)
    for row in range(e.size):
        found[row] = below(e[row], width[row], upper[row], up[row], down[row])
    return found


@numba.njit(cache=True, nogil=True)
def _quantiles(
    normal: float, level: float, width: FloatArray, upper: FloatArray, up: FloatArray, down: FloatArray
) -> FloatArray:
    found = np.empty(width.size)
    for row in range(width.size):
        found[row] = quantile_at(normal, level, width[row], upper[row], up[row], down[row])
    return found


@numba.njit(cache=True, nogil=True)
def _moved(logits: FloatArray, stretch: FloatArray, e: FloatArray) -> FloatArray:
    found = np.empty(e.size)
    for row in range(e.size):
        found[row] = mean_chance(0.0, logits[row], stretch[row], e[row])
    return found


def share_at(logits: FloatArray, spread: Spread, level: float) -> FloatArray:
    """The share that lies above the truth with chance ``level``; ``logits``: rows x reference points.

    P(share at least ``floor``) is at least ``chance`` where the share at ``1 - chance`` is at least ``floor``.
    """
    found: FloatArray = _moved(logits, spread.stretch, spread.quantile(level))
    return found


def interval(logits: FloatArray, spread: Spread, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed interval of the share; ``logits``: rows x reference points."""
    tail = (1.0 - level) / 2.0
    return share_at(logits, spread, tail), share_at(logits, spread, 1.0 - tail)


def chance_above(logits: FloatArray, spread: Spread, bar: float) -> FloatArray:
    """P(the share is at least ``bar``): how far down the pupil may be for the share to be the bar, by bisection."""
    low, high = -spread.down - FARTHEST * spread.width, spread.up + FARTHEST * spread.width
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        is_enough = _moved(logits, spread.stretch, middle) >= bar
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    above: FloatArray = 1.0 - spread.below(high)
    return above
