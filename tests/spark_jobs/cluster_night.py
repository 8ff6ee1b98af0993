"""Nights of mastery in a process of its own, by the settings of its environment: what a cluster's driver runs.

``python -m tests.spark_jobs.cluster_night``: writes the district, brings the first night up, says "first" on standard
output, waits for a line on standard input, brings the second night up, says "second".
"""

from __future__ import annotations

import random
import sys
from datetime import date, timedelta
from typing import Any

from cairn.settings import Settings
from spark_jobs import mastery
from spark_jobs.session import start_session
from tests.spark_jobs import mastery_lake as small

FIRST = date(2026, 10, 13)
PUPILS = [f"p{n:02d}" for n in range(24)]
ITEMS = {f"i{n}": f"c{n % 6}" for n in range(30)}


def events(start: int, count: int, days: range) -> list[dict[str, Any]]:
    """Attempts of all pupils over some days before the first night (or after it, where negative)."""
    chance = random.Random(start)
    return [
        small.event(
            f"e{start + n:06d}",
            f"s-{chance.choice(PUPILS)}",
            chance.choice(sorted(ITEMS)),
            small.minutes(FIRST - timedelta(days=chance.choice(days)), chance.randrange(400)),
            chance.random() < 0.75,
        )
        for n in range(count)
    ]


def main() -> None:
    """Run both nights."""
    settings = Settings()
    session = start_session(settings, "cluster-night")
    small.seed(settings, PUPILS, ITEMS)
    small.write(settings, "silver.learner_activity", events(0, 6000, range(20)))
    mastery.update(session, settings, FIRST)
    sys.stdout.write("first\n")
    sys.stdout.flush()
    small.write(settings, "silver.learner_activity", events(10_000, 1500, range(-1, 6)))
    sys.stdin.readline()
    mastery.update(session, settings, FIRST + timedelta(days=1))
    sys.stdout.write("second\n")
    sys.stdout.flush()
    session.stop()


if __name__ == "__main__":
    main()
