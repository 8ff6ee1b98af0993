"""A share model for tests of the fold: every part of the formula moves the share, so that none can be left out unseen.

Nobody fitted it. Right answers raise the share well over the bar and wrong ones lower it, so that pupils reach all
states; hard items, other work of the pupil and time count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cairn.mastery.share.doubt import Doubt, Groups
from cairn.mastery.share.formula import PATTERNS, REFERENCE_POINTS, SKILL_WEIGHTS
from cairn.mastery.share.model import ShareModel, from_rows

ONE_GROUP = Doubt(-0.4, -0.3, 0.1, 0.1)
TWO_GROUPS = Doubt(-0.4, -0.3, 0.1, 0.1, Groups(1.5, -1.0))
VERSION = "share-rich"
COMPETENCIES, ITEMS = ("c1", "c2"), tuple(f"item-{number}" for number in range(1, 7))
LIMITS_MS = {0: 5_000, 1: 1_000}
WITHOUT_TIMES = [0.4, 1.0, 0.3, 1.6, -1.3, 0.5, 0.4, 0.3, 0.6, 0.5, 0.4]
OF_TIMES = [0.3, 0.1, 0.2, 0.1, 0.2, 0.2, 0.3, 0.1, 0.4, 0.3, 0.2, -0.9, -0.05, 0.05, 0.1]


def rich_rows(competencies: Sequence[str] = COMPETENCIES, doubt: Doubt = ONE_GROUP) -> list[dict[str, Any]]:
    """Rows of gold.mastery_model, in use; other competencies than the named are unknown."""
    random = np.random.default_rng(5)
    patterns = random.normal(0.0, 0.1, PATTERNS)
    shared = {"model_version": VERSION, "model": "share", "responses": 1_000, "is_active": True}
    shared |= {"fitted_at": datetime(2020, 1, 1, tzinfo=UTC)}
    rows = []
    for place, name in enumerate(["*", *competencies]):
        weights = random.normal(0.0, 0.2, SKILL_WEIGHTS)
        rows.append(
            {
                **shared,
                "competency_id": name,
                "weights": weights.tolist() if place else [*WITHOUT_TIMES, *OF_TIMES, *patterns.tolist()],
                "reference": np.sort(random.normal(0.0, 0.5, REFERENCE_POINTS)).tolist(),
                "easiness": 0.1 if place == 0 else 0.4 if place % 2 else -0.3,
                "doubt": None if place else doubt.numbers.tolist(),
            }
        )
    return rows


def rich_items(items: Sequence[str] = ITEMS) -> list[dict[str, Any]]:
    """Rows of gold.item_difficulty, ever harder; other items than the named are unknown.

    The first has a limit for rapid guesses above the district's, the second one below; the rest have none.
    """
    harder = np.linspace(-1.0, 1.0, len(items)).tolist()
    return [
        {
            "model_version": VERSION,
            "item_id": name,
            "difficulty_logit": difficulty,
            "responses": 100,
            "rapid_guess_ms": LIMITS_MS.get(place),
        }
        for place, (name, difficulty) in enumerate(zip(items, harder, strict=True))
    ]


def rich_model(doubt: Doubt = ONE_GROUP) -> ShareModel:
    """The model of both, of competencies c1 and c2 and items item-1 to item-6."""
    return from_rows(rich_rows(doubt=doubt), rich_items())
