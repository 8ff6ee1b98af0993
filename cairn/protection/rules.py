"""The primary rules: what a count, a share or a mean may say by itself, given the smallest group that is told of.

A count is rounded to the nearest multiple of ``counts_to`` (half up) and is "under 10" below the smallest group. A
share is rounded to a step so wide that half of the smallest group is left open, and its ends are coded ("20 % or
fewer", "80 % or more") so far in that a share between them has the smallest group on both of its sides. Two such
numbers, of two days or two pages, differ by an unknown of the whole smallest group. Step and end follow from the
published base alone, so that neither tells anything.

Ends and steps by the size of the group follow NCES 2011-603 ("Statistical Methods for Protecting Personally
Identifiable Information in Aggregate Reporting", SLDS Technical Brief 3, 2010); :data:`ENDS` are the project's own
least ones, which the smallest group widens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cairn.protection.published import COUNT, EMPTY, MEAN, MONEY, SHARE, PublishedCell

# (bases up to, end in per cent); ends of larger bases are 1 %.
ENDS = ((20, 20), (40, 10), (100, 5), (300, 2))
STEPS = (1, 2, 5, 10, 20, 25)


@dataclass(frozen=True)
class ShareRule:
    """How shares of a base are told: in steps of ``step`` per cent, ``end`` per cent or fewer, 100 - ``end`` or more;
    ``end`` None: not at all."""

    step: int
    end: int | None


@dataclass(frozen=True)
class Rules:
    """``n_min``: the smallest group told of. ``counts_to``: counts are multiples of it (1: exact)."""

    n_min: int
    counts_to: int

    def count(self, number: int) -> PublishedCell:
        """A number of pupils; one below the smallest group, none included, is said to be so."""
        if number < self.n_min:
            return PublishedCell(f"under {self.n_min}", COUNT, None, 0, self.n_min - 1)
        to = self.counts_to
        shown = (number + to // 2) // to * to
        low = max(shown - to // 2, self.n_min)
        return PublishedCell(f"{shown:,}", COUNT, shown, low, shown - to // 2 + to - 1)

    def share_rule(self, base: PublishedCell) -> ShareRule:
        """How shares of a published base are told."""
        if base.value is None or not base.low:
            return ShareRule(STEPS[-1], None)
        least, room = base.low, (base.high or base.low) - base.low
        coded = next((end for up_to, end in ENDS if least <= up_to), 1)
        for step in STEPS:
            end = step * math.ceil(max(coded, 100 * self.n_min / least) / step)
            # Pupils that the narrowest number told leaves open, times 100: its step, and what the base leaves open.
            # One more than half of the smallest group, wherever the step begins.
            if step * least + room * (end + 1.5 * step) >= 50 * self.n_min + 100:
                return ShareRule(step, end if 2 * end < 100 else None)
        return ShareRule(STEPS[-1], None)

    def share(self, part: int, whole: int, base: PublishedCell) -> PublishedCell:
        """The share ``part`` of ``whole`` pupils, whose published count is ``base``.

        None and all are coded like their neighbours: each is a fact about everybody. Raises ValueError where the part
        is not one of the whole.
        """
        if not 0 <= part <= whole:
            raise ValueError(f"{part} of {whole}: a part lies between 0 and the whole")
        rule = self.share_rule(base)
        if rule.end is None:
            return PublishedCell(kind=SHARE)
        step, end = rule.step, rule.end
        rounded = (200 * part + step * whole) // (2 * step * whole) * step
        half = step / 200
        if rounded <= end:
            return PublishedCell(f"{end} % or fewer", SHARE, None, 0.0, end / 100 + half)
        if rounded >= 100 - end:
            return PublishedCell(f"{100 - end} % or more", SHARE, None, 1 - end / 100 - half, 1.0)
        return PublishedCell(f"{rounded} %", SHARE, rounded / 100, rounded / 100 - half, rounded / 100 + half)

    def mean(self, value: float | None, base: PublishedCell, digits: int = 0) -> PublishedCell:
        """A mean over the pupils of a published base; nothing where the base is not told."""
        if value is None or base.value is None or base.value == 0:
            return PublishedCell(kind=MEAN)
        shown, half = round(value, digits), 0.5 * 10.0**-digits
        return PublishedCell(f"{shown:,.{digits}f}", MEAN, shown, shown - half, shown + half)

    def cost_each(self, cost_usd: float | None, base: PublishedCell) -> PublishedCell:
        """A cost for each pupil of a published base: divided by what is published, so that both tell no more of it."""
        if cost_usd is None or not base.value:
            return PublishedCell(kind=MONEY)
        each = round(cost_usd / base.value, 2)
        return PublishedCell(f"${each:,.2f}", MONEY, each, each, each)

    def note(self) -> str:
        """The sentence to print beside the numbers."""
        rounded = f"Numbers of pupils are rounded to {self.counts_to}, s" if self.counts_to > 1 else "S"
        return (
            f"{rounded}hares to steps by the size of the group. Nothing is told of fewer than {self.n_min} pupils on"
            " either side, and a dash stands where that could be worked out."
        )


def hidden(cell: PublishedCell) -> PublishedCell:
    """The cell with nothing told."""
    return PublishedCell(kind=cell.kind) if cell.kind != EMPTY.kind else EMPTY


def is_sensitive_count(number: int, n_min: int) -> bool:
    """Whether a number of pupils is one that nobody may work out; none is one: that nobody is left tells on who was."""
    return number < n_min


def is_sensitive_part(part: int, whole: int, n_min: int) -> bool:
    """Whether a part of a group is one that nobody may work out: few, or all but few, none and all included."""
    return part < n_min or whole - part < n_min
