"""A run of the pick-up: every source in turn, each file taken, waiting or refused, and what that comes to.

A source that fails stops no other one. What lies in a place is taken in the order of the source's rules, then by name.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cairn.district import load_district_yaml
from cairn.errors import BusyError, CairnError
from cairn.settings import Settings
from identity.crosswalk import IDENTITY_FILE
from loading.pickup.config import FolderPlace, RestPlace, SftpPlace, Source, Take, chosen, load_sources
from loading.pickup.oneroster_rest import ask_since, fetch_package
from loading.pickup.places import Entry, Place, open_folder
from loading.pickup.sftp import open_sftp
from loading.pickup.state import IN_PART, KNOWN, LOADED, REFUSED, WAITING, PickupState, needs_whole
from loading.pickup.take import INBOX, FileOutcome, discard, forget_old, private_folder, take_file

DONE, FAILED = "done", "failed"


@dataclass
class SourceOutcome:
    """What a run did with a source: ``state`` is done, refused (files or rows) or failed (it could not be read).

    ``unexpected``: an error that nobody foresaw; whoever shows the outcome raises it once all sources are told of.
    """

    name: str
    kind: str
    state: str = DONE
    message: str = ""
    files: list[FileOutcome] = field(default_factory=list)
    unexpected: Exception | None = None

    def counted(self) -> Counter[str]:
        """Files by their state."""
        return Counter(file.state for file in self.files)


def run_pickup(
    settings: Settings, names: Sequence[str] = (), *, allow_mass_end: bool = False, again: bool = False
) -> list[SourceOutcome]:
    """Pick up from the named sources, from all where none is named.

    ``again``: what was refused and still lies there is tried once more. ``allow_mass_end``: see
    :func:`loading.load_roster`. Raises CairnError for a configuration that cannot be read, and where another
    run is under way; what happens to a source is in its outcome.
    """
    sources = chosen(load_sources(settings), list(names))
    with _one_at_a_time(settings):
        state = PickupState(settings)
        outcomes = []
        for source in sources:
            lately = None if names else _asked_lately(state, source)
            outcomes.append(lately or _run_source(settings, state, source, allow_mass_end, again))
        return outcomes


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.pickup_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.pickup_dir / "run.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CairnError("another pick-up is running: wait for it") from None
        yield


def _asked_lately(state: PickupState, source: Source) -> SourceOutcome | None:
    """The outcome of a source that nobody named and that was asked so short a time ago that it is left alone."""
    last_run_at = state.of_source(source.name).last_run_at
    if last_run_at is None or datetime.now(UTC) - last_run_at >= timedelta(minutes=source.every_minutes):
        return None
    return SourceOutcome(source.name, source.kind, message=f"asked at {last_run_at:%H:%M} UTC, next run later")


def _run_source(
    settings: Settings, state: PickupState, source: Source, allow_mass_end: bool, again: bool
) -> SourceOutcome:
    outcome = SourceOutcome(source.name, source.kind)
    if again:
        state.try_again(source.name)
    try:
        inbox = private_folder(settings, source, INBOX)
        for left in inbox.iterdir():  # by a run that died: what it copied still lies where it came from
            discard(left)
        forget_old(settings, source)
        run = _Run(settings, state, source, inbox, outcome, allow_mass_end)
        if isinstance(source.place, RestPlace):
            run.from_service(source.place)
        else:
            with _opened(source.place) as place:
                run.from_place(place)
    except (CairnError, OSError) as error:
        outcome.state, outcome.message = FAILED, " ".join(str(error).split())
    except Exception as error:
        # Its words may hold what stood in a row: they are shown by whoever asks for them, and not remembered.
        outcome.state, outcome.message, outcome.unexpected = FAILED, type(error).__name__, error
    else:
        refused = [file for file in outcome.files if file.state in (REFUSED, IN_PART)]
        if refused:
            outcome.state = REFUSED
            outcome.message = f"{refused[0].name}: {refused[0].reason}"
            if len(refused) > 1:
                outcome.message += f" (so are {len(refused) - 1} files more)"
    state.ran(source.name, outcome.state, outcome.message)
    return outcome


def _opened(place: FolderPlace | SftpPlace) -> AbstractContextManager[Place]:
    return open_folder(place) if isinstance(place, FolderPlace) else open_sftp(place)


@dataclass(frozen=True)
class _Run:
    """One source's part of a run."""

    settings: Settings
    state: PickupState
    source: Source
    inbox: Path
    outcome: SourceOutcome
    allow_mass_end: bool

    def from_place(self, place: Place) -> None:
        """What lies in a folder, here or elsewhere."""
        there = {entry.name: entry for entry in place.entries()}
        self.state.forget_absent(self.source.name, there)
        markers = {self.source.marker_of(name) for name in there}
        for entry in sorted(there.values(), key=lambda entry: (self.source.place_of(entry.name), entry.name)):
            take = self.source.take_of(entry.name)
            if take is None or entry.name in markers:
                continue
            marker = there.get(self.source.marker_of(entry.name))
            reason = self._waits_for(entry, marker)
            if reason is None:
                self._take(place, [entry] if marker is None else [entry, marker], take)
            elif reason:
                self._add(FileOutcome(entry.name, take.load, take.layout, WAITING, reason))

    def _waits_for(self, entry: Entry, marker: Entry | None) -> str | None:
        """Why a file is not taken now; None where it is, empty where it has been dealt with.

        A marker that told of an earlier file says nothing of one that is being written over it.
        """
        now = datetime.now(UTC)
        sight = self.state.sight(self.source.name, entry.name, entry.signature, now)
        if sight.state != WAITING:
            return ""
        if self.source.marker:
            if marker is None:
                return f"waits for {self.source.marker_of(entry.name)}"
            if self.state.sight(self.source.name, marker.name, marker.signature, now).state == WAITING:
                return None
        seconds = (now - sight.first_seen_at).total_seconds()
        if seconds >= self.source.stable_seconds:
            return None
        return f"seen like this for {seconds:.0f} s: taken when it has not changed for {self.source.stable_seconds} s"

    def _take(self, place: Place, entries: Sequence[Entry], take: Take) -> None:
        """Take the first of the entries; the other, if there is one, is its marker and shares what becomes of it."""
        entry = entries[0]
        copy = self.inbox / entry.name
        try:
            place.fetch(entry, copy)
            taken = self._loaded(take, copy)
        except BusyError as error:
            discard(copy)
            self._add(FileOutcome(entry.name, take.load, take.layout, WAITING, str(error)))
            return
        self._add(taken)
        for one in entries:
            if self.source.removes:
                place.remove(one)
                self.state.forget(self.source.name, one.name)
            else:
                self.state.settle(self.source.name, one.name, taken.state, taken.reason)

    def from_service(self, place: RestPlace) -> None:
        """What a OneRoster service has, or what changed since it was last asked and all of that was loaded."""
        before = self.state.of_source(self.source.name)
        is_whole = not place.is_delta or needs_whole(before, datetime.now(UTC), place.whole_every_days)
        since = None
        if not is_whole and before.changed_since_at is not None:
            since = ask_since(before.changed_since_at, place.overlap_hours)
        copy = self.inbox / f"oneroster-{'whole' if since is None else 'changes'}.zip"
        fetched = fetch_package(place, copy, since, self._own_columns())
        if since is not None and not fetched.record_count:
            discard(copy)
            taken = None
        else:
            taken = self._loaded(Take("*", "roster"), copy)
            self._add(taken)
        # What was refused would never be sent again: the next run asks from where this one did.
        if taken is None or taken.state in (LOADED, KNOWN):
            self.state.asked_until(self.source.name, fetched.until, since is None)

    def _own_columns(self) -> list[str]:
        """The district's own columns of people, see identity.yaml."""
        named = load_district_yaml(self.settings, IDENTITY_FILE).get("demographics") or {}
        return [str(column) for columns in named.values() for column in columns or ()]

    def _loaded(self, take: Take, copy: Path) -> FileOutcome:
        return take_file(self.settings, self.state, self.source, take, copy, allow_mass_end=self.allow_mass_end)

    def _add(self, file: FileOutcome) -> None:
        self.outcome.files.append(file)
