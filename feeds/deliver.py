"""Deliver the newest feeds: every school by each of its ways, tried again where it fails, with a receipt of each.

One school's failure stops no other. A feed that was delivered to a place is not delivered there again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from answers import feed_access, feed_folders
from answers.feed_access import Receipt
from answers.feed_folders import SEALED
from cairn.errors import CairnError
from cairn.settings import Settings
from feeds.places import put
from feeds.ways import Way, load_ways
from identity.disclosure_log import Disclosure, write_down

LOG = logging.getLogger("cairn.feeds")
TRIES = 3
FIRST_WAIT_SECONDS = 5.0
# Waiting for servers, not working.
AT_ONCE = 8
NO_KEY = (
    "school {school} has no key, so nothing that names pupils leaves for it: its files stay in the portal; "
    "register one with 'cairn feeds key add --school {school} FILE'"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one school's feed on one way: delivered, there already, or failed and why."""

    school_id: str
    way: str
    where: str
    state: str
    why: str = ""


def deliver(
    settings: Settings,
    school: str | None = None,
    tries: int = TRIES,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Deliver the newest feed of one school, or of every school with ways; returns ``delivered, there, failed``.

    ``failed`` lists school, way and reason. Raises CairnError for a school that has no way.
    """
    ways = load_ways(settings)
    if school is not None and school not in ways:
        raise CairnError(f"no way for school {school!r} in feeds.yaml: there is {', '.join(ways) or 'none'}")
    wanted = [(one, way) for one, found in ways.items() for way in found if school in (None, one)]
    keys = feed_access.keys_of(settings)

    def safely(job: tuple[str, Way]) -> Outcome:
        school_id, way = job
        try:
            return _one(settings, school_id, way, school_id in keys, tries, sleep)
        except Exception as error:  # whatever it is, the other schools get theirs, and this one is told
            LOG.exception("the feed of school %s could not be delivered", school_id)
            why = str(error) if isinstance(error, CairnError) else type(error).__name__
            return Outcome(school_id, way.kind, way.where, "failed", why)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(safely, wanted))
    count = {state: sum(one.state == state for one in outcomes) for state in ("delivered", "there")}
    return count | {"failed": [asdict(one) for one in outcomes if one.state == "failed"]}


def _one(
    settings: Settings, school_id: str, way: Way, has_key: bool, tries: int, sleep: Callable[[float], None]
) -> Outcome:
    manifest = feed_folders.latest(settings, school_id)
    if manifest is None:
        return Outcome(school_id, way.kind, way.where, "failed", "it has no feed yet: run 'cairn feeds write' first")
    feed = feed_folders.folder(settings, manifest["data_date"], school_id)
    sealed = feed / feed_folders.DELIVERY
    receipt = Receipt(
        school_id=school_id,
        release_id=manifest["release_id"],
        data_date=manifest["data_date"],
        feed_id=feed_folders.feed_id(feed),
        way=way.kind,
        who=way.where,
        file=SEALED,
        outcome="failed",
    )
    if not has_key:
        return _failed(settings, receipt, NO_KEY.format(school=school_id))
    if not (sealed / feed_folders.MANIFEST).exists():
        return _failed(settings, receipt, "the feed is from before the school had a key: run 'cairn feeds write'")
    if feed_access.was_delivered(settings, receipt.feed_id, way.kind, way.where):
        return Outcome(school_id, way.kind, way.where, "there")
    _disclose(settings, feed, manifest, way)
    wait = FIRST_WAIT_SECONDS
    for number in range(1, tries + 1):
        try:
            put(way, sealed, f"{manifest['data_date']}-{receipt.feed_id}")
            break
        except CairnError as error:
            LOG.warning("school %s, try %d of %d: %s", school_id, number, tries, error)
            if number == tries:
                return _failed(settings, receipt, str(error))
        sleep(wait)
        wait *= 4
    size = (sealed / SEALED).stat().st_size
    feed_access.write_receipt(settings, Receipt(**asdict(receipt) | {"outcome": "delivered", "bytes": size}))
    feed_folders.remember_sent(settings, feed, school_id)
    return Outcome(school_id, way.kind, way.where, "delivered")


def _failed(settings: Settings, receipt: Receipt, why: str) -> Outcome:
    feed_access.write_receipt(settings, Receipt(**asdict(receipt) | {"detail": why}))
    return Outcome(receipt.school_id, receipt.way, receipt.who, "failed", why)


def _disclose(settings: Settings, feed: Path, manifest: dict[str, Any], way: Way) -> None:
    """Write down whose names leave, before they do."""
    write_down(
        settings,
        Disclosure(
            actor="feeds",
            purpose=f"school feed delivered by {way.kind}",
            kind="feed",
            student_keys=feed_folders.pupils_in(feed, None),
            school_id=manifest["school_id"],
            release_id=manifest["release_id"],
        ),
    )
