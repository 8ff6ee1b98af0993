"""One file that was fetched: is it new, what did its loader say, and where it goes then.

Taken files lie in ``home/pickup/SOURCE/archive``, refused ones in ``quarantine`` with a text that says why; both
hold people's data in the clear, for ``keep_days`` at most and for their owner only.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cairn.errors import BusyError, CairnError
from cairn.settings import Settings
from cairn.whole_file import write_private
from loading.by_layout import load_assessments, load_facts
from loading.competencies import load_competencies
from loading.items import load_items
from loading.pickup.config import ROSTER, RestPlace, Source, Take
from loading.pickup.state import IN_PART, KNOWN, LOADED, REFUSED, PickupState
from loading.resources import load_resources
from loading.roster import load_roster

ARCHIVE, QUARANTINE, INBOX = "archive", "quarantine", "inbox"
STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file. ``problems``: its first refused rows by file and line, without a value."""

    name: str
    load: str
    layout: str
    state: str
    reason: str = ""
    row_count: int = 0
    rejected: int = 0
    problems: list[str] = field(default_factory=list)


def take_file(
    settings: Settings, state: PickupState, source: Source, take: Take, copy: Path, *, allow_mass_end: bool = False
) -> FileOutcome:
    """Load a copy that lies in the inbox, remember it, and put it away.

    Raises BusyError where another load is at work, and whatever is not the file's fault (a full disk): then the
    copy stays in the inbox and nothing is remembered.
    """
    sha256 = content_hash(copy)
    if state.is_known(take, sha256):
        discard(copy)
        return FileOutcome(copy.name, take.load, take.layout, KNOWN, "the same was loaded already")
    outcome = _loaded(settings, source, take, copy, allow_mass_end)
    counts = (outcome.row_count, outcome.rejected)
    state.add_taken(source.name, copy.name, take, sha256, outcome.state, outcome.reason, counts)
    _put_away(settings, source, copy, outcome)
    return outcome


def _loaded(settings: Settings, source: Source, take: Take, copy: Path, allow_mass_end: bool) -> FileOutcome:
    try:
        result = _LOADERS[take.load](settings, take, copy, allow_mass_end)
    except BusyError:
        raise
    except CairnError as error:
        # A path of the inbox says nothing to whoever reads the reason.
        reason = str(error).replace(f"{copy.parent}/", "")
        return FileOutcome(copy.name, take.load, take.layout, REFUSED, reason)
    rejected = int(result["rejected"])
    is_whole = not rejected or source.accepts_refusals
    return FileOutcome(
        copy.name,
        take.load,
        take.layout,
        LOADED if is_whole else IN_PART,
        f"{rejected:,} rows refused, the rest is loaded" if rejected else "",
        int(result.get("rows", result.get("items", 0))),
        rejected,
        list(result["problems"]),
    )


def _roster(settings: Settings, _: Take, path: Path, allow_mass_end: bool) -> dict[str, Any]:
    return load_roster(settings, path, allow_mass_end=allow_mass_end)


_LOADERS: dict[str, Callable[[Settings, Take, Path, bool], dict[str, Any]]] = {
    ROSTER: _roster,
    "competencies": lambda settings, _, path, allow: load_competencies(settings, path, allow_mass_end=allow),
    "items": lambda settings, _take, path, _allow: load_items(settings, path),
    "resources": lambda settings, _take, path, _allow: load_resources(settings, path),
    "assessments": lambda settings, take, path, _allow: load_assessments(settings, path, take.layout),
    "facts": lambda settings, take, path, _allow: load_facts(settings, path, take.layout),
}


def content_hash(path: Path) -> str:
    """SHA-256 of a file; of a folder that of its files' names and contents."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for one in sorted(found for found in path.rglob("*") if found.is_file()):
        whole.update(f"{one.relative_to(path).as_posix()}\0{content_hash(one)}\n".encode())
    return whole.hexdigest()


def private_folder(settings: Settings, source: Source, name: str) -> Path:
    """A folder of the source's in the home, for its owner only."""
    folder = settings.pickup_dir / source.name / name
    for one in (settings.pickup_dir, folder.parent, folder):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _put_away(settings: Settings, source: Source, copy: Path, outcome: FileOutcome) -> None:
    is_refused = outcome.state == REFUSED
    if source.keep_days == 0 and not is_refused:
        discard(copy)
        return
    folder = private_folder(settings, source, QUARANTINE if is_refused else ARCHIVE)
    if isinstance(source.place, RestPlace):  # a service is asked every hour: its last answer is kept
        for before in folder.glob(f"*-{copy.name}*"):
            discard(before)
    target = folder / f"{datetime.now(UTC):{STAMP}}-{copy.name}"
    shutil.move(copy, target)
    if target.is_file():
        target.chmod(0o600)
    if outcome.reason:
        said = "\n".join([outcome.reason, *outcome.problems]) + "\n"
        write_private(folder / f"{target.name}.reason.txt", said.encode("utf-8"))


def discard(path: Path) -> None:
    """A copy that nobody needs any more, a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def kept_until(settings: Settings, until: datetime) -> list[Path]:
    """Files and folders of all sources that were put away until an instant: any may name a person."""
    kept = [path for name in (ARCHIVE, QUARANTINE, INBOX) for path in settings.pickup_dir.glob(f"*/{name}/*")]
    return sorted(path for path in kept if datetime.fromtimestamp(path.stat().st_mtime, UTC) <= until)


def forget_old(settings: Settings, source: Source) -> None:
    """Remove what has lain in archive and quarantine for longer than the district keeps it."""
    for name in (ARCHIVE, QUARANTINE):
        for path in private_folder(settings, source, name).iterdir():
            put_away_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if datetime.now(UTC) - put_away_at > timedelta(days=max(source.keep_days, 1)):
                discard(path)
