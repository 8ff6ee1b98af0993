"""What a score says: the one place where scores of xAPI and Caliper become a share of the possible and an outcome.

A score needs a range to say something. Where nothing could be earned (0 of 0, highest not above lowest) nothing was
missed either: there is no outcome, whatever else is said, so that no wrong answer is made of it. Where success and
score contradict each other success counts (xAPI 1.0.3, part two, 2.4.5: success is what the activity decided).
"""

from __future__ import annotations


def is_empty_range(lowest: float | None, highest: float | None) -> bool:
    """Whether a range is given in which nothing can be earned; a lowest score that is not given is 0."""
    return highest is not None and highest <= (lowest or 0.0)


def is_out_of_range(raw: float | None, lowest: float | None, highest: float | None) -> bool:
    """Whether a score lies outside the range given with it: extra credit, or a mistake."""
    if raw is None:
        return False
    return (highest is not None and raw > highest) or raw < (lowest or 0.0)


def outcome(
    success: bool | None, scaled: float | None, raw: float | None, lowest: float | None, highest: float | None
) -> tuple[bool | None, float | None]:
    """Success and scaled score (within [-1, 1]) that count; None for what cannot be told."""
    if is_empty_range(lowest, highest):
        return None, None
    if scaled is None and raw is not None and highest is not None:
        low = lowest or 0.0
        share = (raw - low) / (highest - low)
        scaled = share if -1.0 <= share <= 1.0 else None
    return success, scaled


def by_mastery_score(success: bool | None, scaled: float | None, mastery_score: object) -> bool | None:
    """Success; where none is said, whether the scaled score reaches cmi5's mastery score (a share, 0 to 1)."""
    if success is not None or scaled is None or isinstance(mastery_score, bool):
        return success
    if not isinstance(mastery_score, int | float) or not 0 <= mastery_score <= 1:
        return None
    return scaled >= mastery_score
