"""The reference district for pages and feeds: ``python -m benchmarks.reference_district --home DIR``.

100 schools, 60,000 pupils and 2,400 teachers with invented names, 400 competencies, a term of work, and twenty frozen
pilots. What is derived is made by Cairn itself: states and decisions by ``cairn mastery update`` (once for the term,
once for its last day, so that the newest night has decided what one night decides), marts by ``cairn marts``, and with
``--pilots`` the evaluation. Deterministic but for the home's own keys. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import pilots_twenty_district as twenty
from benchmarks import reference_people
from benchmarks.mastery_year import say
from benchmarks.pilots_twenty import cairn
from benchmarks.reference_work import Work, school_days
from cairn.errors import CairnError
from cairn.settings import Settings

ATTEMPTS = 6_000_000
SEED = 41


def make(settings: Settings, attempts: int, *, has_pilots: bool) -> None:
    """Write and publish the district into an empty home. Raises CairnError where the home holds a lake already."""
    if Path(settings.lake).exists():
        raise CairnError(f"{settings.lake} exists: give --home a folder that is empty or not there")
    began = time.monotonic()

    def tell(text: str) -> None:
        say(f"{time.monotonic() - began:6.0f} s  {text}")

    work, days = write_roster(settings, tell), school_days(twenty.DATA_DATE)
    for number, day in enumerate(days):
        if day == days[-1]:
            tell("mastery of the term")
            cairn(settings, "mastery", "update", "--as-of", days[-2].isoformat())
        work.write_day(settings, day, number, attempts // len(days))
        tell(f"attempts of {day}")
    tell("mastery of the last night")
    cairn(settings, "mastery", "update", "--as-of", days[-1].isoformat())
    publish(settings, tell)
    if has_pilots:
        tell("evaluation of the pilots")
        cairn(settings, "marts", "publish", "--kind", "evaluation")
    tell(f"done: {settings.home}")


def write_roster(settings: Settings, tell: twenty.Tell) -> Work:
    """Roster, names, competencies, facts and pilots; returns what writes the work."""
    settings.home.mkdir(parents=True, exist_ok=True)
    tell("roster, results, facts and pilots")
    twenty.write(settings)
    tell("teachers, names and competencies")
    reference_people.write(settings, np.random.default_rng(SEED))
    work = Work(SEED)
    work.seed(settings)
    return work


def publish(settings: Settings, tell: twenty.Tell) -> None:
    """The marts of the newest day, audited and made current."""
    day = twenty.DATA_DATE.isoformat()
    tell("marts: build")
    cairn(settings, "marts", "build", "--date", day)
    tell("marts: audit and publish")
    cairn(settings, "marts", "publish", "--date", day)


def main() -> int:
    """Make the district."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="an empty folder, or one that is not there yet")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help="attempts of the term")
    parser.add_argument("--pilots", action="store_true", help="also evaluate the twenty pilots")
    given = parser.parse_args()
    try:
        make(Settings(home=given.home), given.attempts, has_pilots=given.pilots)
    except CairnError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
