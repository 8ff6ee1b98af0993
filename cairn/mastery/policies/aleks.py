"""ALEKS's points, read from a stream of answers.

Source: ALEKS's guides for learners, "Progress Indicator" and "Knowledge Checks": a right answer is one point, two where
the one before was right too, a wrong one takes one, never below 0; a topic is learned at five points, and mastered when
a later knowledge check confirms it. What a check refutes has to be learned again.

A stream of answers does not say which of them was a check. It is read so: once learned, the first answer of each later
local day is the check; the other answers of the days on which the topic is learned change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from cairn.mastery.policies.pair import Pair, State

LEARNED, MASTERED = "learned", "mastered"


@dataclass(frozen=True)
class Points:
    """Points of a right answer, of one right after another right one, taken by a wrong one; learned at so many."""

    right: int = 1
    right_again: int = 2
    wrong: int = 1
    learned_at: int = 5


def standings(pair: Pair, rule: Points) -> list[State]:
    """After each answer the points (a whole number), "learned" or "mastered"."""
    found: list[State] = []
    state: State = 0
    was_right, decided_day = False, 0
    for is_right, day in zip(pair.right, pair.day, strict=True):
        if isinstance(state, int):
            gained = (rule.right_again if was_right else rule.right) if is_right else -rule.wrong
            points = max(0, state + gained)
            was_right = is_right
            state, decided_day = (LEARNED, day) if points >= rule.learned_at else (points, decided_day)
        elif day != decided_day:
            state, decided_day, was_right = (MASTERED if is_right else 0), day, False
        found.append(state)
    return found
