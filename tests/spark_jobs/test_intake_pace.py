"""When a batch is due, and that who waits is heard."""

from __future__ import annotations

import pytest

from cairn import topics
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import intake_pace, intake_state


@pytest.mark.parametrize(
    ("waiting", "seconds", "is_asked", "is_due"),
    [
        (0, 1_000, True, False),
        (1, 59, False, False),
        (1, 60, False, True),
        (1, 0, True, True),
        (1_000, 14, False, False),
        (1_000, 15, False, True),
        (20_000, 0, False, True),
    ],
)
def test_the_pace_follows_the_volume(waiting: int, seconds: float, is_asked: bool, is_due: bool) -> None:
    assert intake_pace.is_due(waiting, seconds, is_asked=is_asked) is is_due


def test_who_waits_asks_for_a_batch(settings: Settings) -> None:
    assert not intake_state.request_path(settings).exists()
    with pytest.raises(CairnError, match="still 5 records behind"):
        intake_state.wait_until_passed(settings, {topics.ACTIVITY: {"0": 5}}, 0.1)
    assert intake_state.request_path(settings).is_file()
