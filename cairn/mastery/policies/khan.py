"""Khan Academy's levels, read from a stream of answers.

Source: Khan Academy's help page "How do Khan Academy's Mastery levels work?". An exercise gives attempted (under 70 %),
familiar (70 to 99 %) or proficient (100 %). On a mixed test a right answer leads one level up, so from proficient to
mastered, and a missed one leads one level down; from not started the two lead to familiar and to attempted.

A stream of answers does not say which of the two an answer was given on. It is read so: the answers of a local day on
which the pupil worked on this competency alone are an exercise, which is over with the day's last answer; each answer
of a day with other competencies too is one on a mixed test. An exercise does not lower a level: only a missed question
does.
"""

from __future__ import annotations

from fractions import Fraction

from cairn.mastery.policies.pair import Pair, sittings

LEVELS = ("not started", "attempted", "familiar", "proficient", "mastered")
NOT_STARTED, ATTEMPTED, FAMILIAR, PROFICIENT, MASTERED = range(5)


def levels(pair: Pair, familiar_from: Fraction) -> list[int]:
    """The level after each answer, a position in LEVELS; ``familiar_from``: the share of an exercise, .70."""
    found: list[int] = []
    level = NOT_STARTED
    for sitting in sittings(pair):
        if pair.is_mixed[sitting.first]:
            for is_right in pair.right[sitting.first : sitting.end]:
                level = after_mixed(level, is_right)
                found.append(level)
        else:
            found += [level] * (sitting.end - sitting.first - 1)
            level = max(level, of_exercise(sitting.share_right, familiar_from))
            found.append(level)
    return found


def of_exercise(share_right: Fraction, familiar_from: Fraction) -> int:
    """The level that an exercise gives by itself."""
    if share_right == 1:
        return PROFICIENT
    return FAMILIAR if share_right >= familiar_from else ATTEMPTED


def after_mixed(level: int, is_right: bool) -> int:
    """The level after an answer on a mixed test."""
    return min(MASTERED, max(FAMILIAR, level + 1)) if is_right else max(ATTEMPTED, level - 1)
