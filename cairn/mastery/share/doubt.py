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
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from cairn.mastery.bkt import FloatArray
from cairn.mastery.share.logistic import chances

C = (16.0 * np.sqrt(3.0) / (15.0 * np.pi)) ** 2
NARROWEST, WIDEST = 0.05, 3.0
EDGE = 1e-3
# T above, in logits, and how far apart two groups are at least, so that their chances can be told.
SOFTENED, APART = 0.25, 1e-6
BISECTIONS = 50
# Widths beyond which nobody is looked for.
FARTHEST = 8.0


@dataclass(frozen=True)
class Groups:
    """Logits of who can and who cannot, were the doubt which of the two a pupil is."""

    high: float
    low: float


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
        can, cannot = ndtr((e - self.up) / self.width), ndtr((e + self.down) / self.width)
        found: FloatArray = self.upper * can + (1.0 - self.upper) * cannot
        return found

    def quantile(self, level: float) -> FloatArray:
        """The ``e`` that so large a share of each row's distribution lies under."""
        far = float(ndtri(level)) * self.width
        low, high = far - self.down, far + self.up
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            is_under = self.below(middle) < level
            low, high = np.where(is_under, middle, low), np.where(is_under, high, middle)
        return high


@dataclass(frozen=True)
class Doubt:
    """Coefficients of the logarithm of the width: a, b, c, d above; groups: None where there is one only."""

    level: float
    by_tries: float
    by_spread: float
    by_gap: float
    groups: Groups | None = None

    def width(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> FloatArray:
        """Standard deviation on the logit (of either group), of shares after so many tries asked after so many days."""
        inside = np.clip(share, EDGE, 1.0 - EDGE)
        log = self.level + self.by_tries * np.log(np.maximum(tries, 1.0)) + self.by_gap * np.log1p(gap_days)
        log = log + self.by_spread * np.log(4.0 * inside * (1.0 - inside))
        found: FloatArray = np.clip(np.exp(np.clip(log, -20.0, 20.0)), NARROWEST, WIDEST)
        return found

    def around(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> Spread:
        """The distribution around shares after so many tries asked after so many days."""
        width = self.width(share, tries, gap_days)
        stretch = np.sqrt(1.0 + C * width**2)
        if self.groups is None:
            none = np.zeros(width.size)
            return Spread(width, stretch, none + 1.0, none, none)
        inside = np.clip(share, EDGE, 1.0 - EDGE)
        logit = np.log(inside / (1.0 - inside))
        up = SOFTENED * np.logaddexp(0.0, (self.groups.high - logit) / SOFTENED) + APART
        down = SOFTENED * np.logaddexp(0.0, (logit - self.groups.low) / SOFTENED) + APART
        can, cannot = chances(logit + up), chances(logit - down)
        upper = (inside - cannot) / (can - cannot)
        return Spread(width, stretch, upper, up * stretch, down * stretch)


def _moved(logits: FloatArray, spread: Spread, e: FloatArray) -> FloatArray:
    """The share where the pupil is off the average by ``e``; ``logits``: rows x reference points."""
    share: FloatArray = chances(logits * spread.stretch[:, None] + e[:, None]).mean(axis=1)
    return share


def share_at(logits: FloatArray, spread: Spread, level: float) -> FloatArray:
    """The share that lies above the truth with chance ``level``; ``logits``: rows x reference points.

    P(share at least ``floor``) is at least ``chance`` where the share at ``1 - chance`` is at least ``floor``.
    """
    return _moved(logits, spread, spread.quantile(level))


def interval(logits: FloatArray, spread: Spread, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed interval of the share; ``logits``: rows x reference points."""
    tail = (1.0 - level) / 2.0
    return share_at(logits, spread, tail), share_at(logits, spread, 1.0 - tail)


def chance_above(logits: FloatArray, spread: Spread, bar: float) -> FloatArray:
    """P(the share is at least ``bar``): how far down the pupil may be for the share to be the bar, by bisection."""
    low, high = -spread.down - FARTHEST * spread.width, spread.up + FARTHEST * spread.width
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        is_enough = _moved(logits, spread, middle) >= bar
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    above: FloatArray = 1.0 - spread.below(high)
    return above
