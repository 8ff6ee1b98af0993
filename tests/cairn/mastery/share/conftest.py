"""What the share model's tests have in common."""

from __future__ import annotations

import pytest

from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.predictors import BktRule


@pytest.fixture
def bkt_rule() -> BktRule:
    """How the challengers that are BKT are fitted."""
    return BktRule(Bounds(), Parameters(0.35, 0.12, 0.2, 0.1))
