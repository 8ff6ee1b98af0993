"""A person erased from everything that the district keeps, with a receipt; and again after a backup was restored.

Every place has a way to take the keys out and a way to look for them; the vault is the last, so that whatever is killed
between can be done again. A receipt that is not finished, or that lake or vault have not gone through (they came from
an older backup), is gone through again by the next night, before it works anything out; so is one whose records came
back, as long as the topic may hold some. An identifier that means somebody again (the person came back, or it was given
to another) is that person's from the erasure on: see :func:`_in_force`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from kafka.errors import KafkaError

import lake
from cairn.evidence.times import EARLIEST_YEAR
from cairn.keys import DistrictKeys, version_of
from cairn.settings import Settings
from identity import erasures
from identity.disclosure_log import forget_in_log, log_path
from identity.erasures import Receipt
from identity.texts import names_one_of
from identity.vault import Vault
from loading.history import apply
from loading.pickup.take import discard, kept_until
from loading.sections import LINKS
from loading.snapshot import Snapshot
from night import home_sweep, lock
from releases import erasure as of_releases
from spark_jobs import intake_state, lake_erasure
from streaming import topics
from streaming.seals import SealStore


class Place(Protocol):
    """A place outside this room: what a feed is, this room does not know."""

    name: str

    def erase(self, settings: Settings, receipt: Receipt) -> int:
        """Take the person out; how much went."""

    def count(self, settings: Settings, receipt: Receipt) -> int:
        """How much is left of the person."""


@dataclass(frozen=True)
class Found:
    """What a scan found of a person: counts by place; and the topic, in words."""

    places: Mapping[str, int]
    topic: str

    @property
    def remaining(self) -> int:
        """All that is left, but for the topic."""
        return sum(self.places.values())


def erase(settings: Settings, student_key: str, *, reason: str, by: str, places: list[Place]) -> Receipt:
    """Erase a person known by key; returns the receipt.

    Where intake is at work, waits until it has passed the topics' present end, so that nothing of the person is on its
    way. What comes later still goes with a night. Raises CairnError where a night is running, or intake does not come
    that far.
    """
    vault = Vault(settings)
    who = vault.identity(student_key)
    now = datetime.now(UTC)
    with lock.one_night(settings):
        _wait_for_intake(settings)
        receipt = Receipt(
            erasure_id=erasures.new_id(),
            erased_at=now,
            erased_by=by,
            reason=reason,
            student_keys=who.student_keys,
            subject_keys=who.subject_keys,
            periods=who.periods,
            kinds=who.kinds,
            topic_until_date=topics.gone_by(settings, now),
        )
        erasures.save(settings, receipt)
        return _go_through(settings, vault, receipt, places)


def _wait_for_intake(settings: Settings) -> None:
    """Wait until the lake holds what the topics hold now, where a broker answers and intake is at work."""
    try:
        ends = topics.end_offsets(settings)
    except (KafkaError, LookupError):
        return  # no stack runs: the night that takes the records in finds them
    with intake_state.lease(settings) as is_free:
        pass
    if not is_free:
        intake_state.wait_until_passed(settings, ends)


def replay(settings: Settings, places: list[Place]) -> list[Receipt]:
    """Go through the erasures again that some place has not gone through; returns them. Call it after a restore."""
    with lock.one_night(settings):
        vault = Vault(settings)
        behind = [
            one
            for one in (_in_force(vault, receipt) for receipt in erasures.every(settings))
            if _is_behind(settings, vault, one) or scan(settings, one, places).remaining
        ]
        return [_go_through(settings, vault, one, places) for one in behind]


def replay_within_night(settings: Settings) -> int:
    """What a night does first, its lock held: erasures that lake or vault have not gone through; how many."""
    receipts = erasures.every(settings)
    if not receipts:
        return 0
    vault = Vault(settings)
    in_force = [_in_force(vault, receipt) for receipt in receipts]
    behind = [one for one in in_force if _is_behind(settings, vault, one)]
    for receipt in behind:
        _go_through(settings, vault, receipt, [])
    return len(behind)


def scan(settings: Settings, receipt: Receipt, places: list[Place]) -> Found:
    """Look for the person everywhere, also in old versions of tables and in files' free pages."""
    receipt = _in_force(Vault(settings), receipt)
    words = receipt.words
    found = {f"lake {name}": count for name, count in lake.tables_that_say(settings, words).items()}
    found |= {f"release {name}": count for name, count in of_releases.count(settings, words).items()}
    for path in home_sweep.databases(settings):
        found[str(path.relative_to(settings.home))] = home_sweep.count_rows(path, words)
    for path in home_sweep.files_that_say(settings, words):
        found[str(path.relative_to(settings.home))] = 1
    is_about = _is_about(settings, receipt)
    found["picked-up files"] = len(kept_until(settings, receipt.erased_at))
    found["sealed originals"] = sum(is_about(original) for *_, original in SealStore(settings).originals())
    for place in places:
        found[place.name] = place.count(settings, receipt)
    return Found({name: count for name, count in sorted(found.items()) if count}, _topic(settings, receipt))


def _in_force(vault: Vault, receipt: Receipt) -> Receipt:
    """The receipt as it holds now: of an identifier that is linked again only what is of before the erasure goes.

    Roster, crosswalk or a person's hand has said since then whose it is; what is done under it is theirs.
    """
    links = vault.links_of(receipt.subject_keys)
    again = {link.subject_key for link in links if link.student_key not in receipt.student_keys}
    if not again:
        return receipt
    begins = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC)
    periods = [(key, begins, receipt.erased_at) for key in receipt.subject_keys if key in again]
    kept = tuple(key for key in receipt.subject_keys if key not in again)
    return replace(receipt, subject_keys=kept, periods=(*receipt.periods, *periods))


def _is_about(settings: Settings, receipt: Receipt) -> Callable[[bytes], bool]:
    """Whether an original names the person, under any version of the district's key."""
    keys = [DistrictKeys.load(settings, one) for one in sorted({version_of(key) for key in receipt.subject_keys})]
    return lambda text: any(names_one_of(one, text, receipt.subject_keys, receipt.kinds) for one in keys)


def _topic(settings: Settings, receipt: Receipt) -> str:
    try:
        oldest = topics.oldest_at(settings)
    except (KafkaError, LookupError):
        return f"not asked, no broker answers; by {receipt.topic_until_date} it holds nothing from before the erasure"
    if oldest is None or oldest > receipt.erased_at:
        return "holds nothing from before the erasure"
    return f"may hold records until {receipt.topic_until_date}"


def _is_behind(settings: Settings, vault: Vault, receipt: Receipt) -> bool:
    """Whether a place has not gone through the erasure, or the topic brought something of the person back since."""
    is_through = vault.has_gone_through(receipt.erasure_id) and lake_erasure.is_done(settings, receipt.erasure_id)
    if receipt.finished_at is None or not is_through:
        return True
    if datetime.now(UTC).astimezone(settings.zone).date() > receipt.topic_until_date:
        return False
    return lake_erasure.has_come_back(settings, subject_of(settings, receipt))


def subject_of(settings: Settings, receipt: Receipt) -> lake_erasure.Subject:
    """Who goes from the lake. An identifier that others had too is the person's until the erasure, and no longer."""
    periods = [(key, begins, ends or receipt.erased_at) for key, begins, ends in receipt.periods]
    return lake_erasure.subject(settings, receipt.student_keys, receipt.subject_keys, periods)


def _go_through(settings: Settings, vault: Vault, receipt: Receipt, places: list[Place]) -> Receipt:
    """Take the person out of every place, the vault last; the receipt as it is kept then."""
    words = receipt.words
    removed: dict[str, int] = {place.name: place.erase(settings, receipt) for place in places}
    erased = of_releases.erase(settings, words, receipt.erasure_id, receipt.erased_at)
    removed |= {f"release {name}": rows for name, rows in erased.items()}
    # Any may name the person, in any form: all go, and the next pick-up brings what is still true.
    kept = kept_until(settings, receipt.erased_at)
    for path in kept:
        discard(path)
    removed["picked-up files"] = len(kept)
    removed["sealed originals"] = SealStore(settings).erase(_is_about(settings, receipt))
    removed["disclosures waiting"] = forget_in_log(settings, receipt.student_keys)
    own = {vault.path, log_path(settings)}
    for path in home_sweep.databases(settings):
        if path not in own:
            removed[str(path.relative_to(settings.home))] = home_sweep.erase_rows(path, words)
    for path in home_sweep.files_that_say(settings, words):
        home_sweep.overwrite(path, words)
        removed[str(path.relative_to(settings.home))] = 1
    in_lake = lake_erasure.erase(
        settings, subject_of(settings, receipt), receipt.erasure_id, receipt.erased_at, receipt.passes
    )
    removed |= {f"lake {name}": rows for name, rows in in_lake.items()}
    left = {one.subject_key for one in vault.shared() if not set(one.student_keys).isdisjoint(receipt.student_keys)}
    removed["vault"] = vault.forget(receipt.student_keys, receipt.erasure_id)
    # What several claimed may mean the one who is left now.
    links = [link.as_row() for link in vault.links_of(left)]
    apply(settings, Snapshot(LINKS, links))
    # What came to the topic before now may be there; an erasure that is gone through again counts from then.
    done = erasures.finished(receipt, removed, topics.gone_by(settings, datetime.now(UTC)))
    erasures.save(settings, done)
    return done


def told(receipt: Receipt, found: Found) -> dict[str, Any]:
    """What a command shows: the receipt without its keys, what is left, where, and what of the topic."""
    return {
        "receipt": receipt.shown(),
        "remaining": found.remaining,
        "found": dict(found.places),
        "topic": found.topic,
    }
