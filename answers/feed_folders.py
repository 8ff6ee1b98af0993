"""Where feeds lie: ``home/feeds/<data_date>/<school_id>/``, folders for the owner only, swapped in whole."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cairn.settings import Settings

MANIFEST = "manifest.json"
SIGNATURE, PUBLIC_KEY = f"{MANIFEST}.minisig", "cairn-feeds.pub"
# The feed as it leaves: one file, encrypted to the school's key.
SEALED = "feed.zip.age"
# Its results, for the school's information system.
ONEROSTER = "oneroster.zip"
# Beside the files and never handed out: which pupils each file names, for the log of disclosures.
PUPILS = ".pupils.json"
# Likewise: everybody whom the folder names, staff too, for an erasure.
PEOPLE = ".people.json"
# Likewise: the standing by key, which the next feed is compared with.
STANDING = ".standing.parquet"
# Likewise: what leaves for the school, encrypted to its key, with a signed manifest of its own.
DELIVERY = ".delivery"
# Beside the days: of each school, the standing in the feed that it was sent last.
SENT = ".sent"
# Folders in the making and on their way out begin with a dot; readers never look into them.
MAKING, LEAVING = ".making-", ".leaving-"


def folder_name(school_id: str) -> str:
    """A school's identifier as one folder name, whatever characters it holds."""
    name = quote(school_id, safe="")
    return name.replace(".", "%2E") if name.startswith(".") else name


def folder(settings: Settings, data_date: str, school_id: str) -> Path:
    """A school's feed of a data date (ISO)."""
    return settings.feeds_dir / data_date / folder_name(school_id)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest in a feed's folder, or None where there is none."""
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def feed_id(path: Path) -> str:
    """What tells one feed from another, a second one of the same release too: the start of its manifest's SHA-256."""
    return hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()[:12]


def pupils_in(path: Path, name: str | None) -> list[str]:
    """Keys of the pupils whom a file of a feed's folder names, or all of its files; empty where they were not kept."""
    try:
        found = json.loads((path / PUPILS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return sorted(set().union(*found.values())) if name is None else list(found.get(name, ()))


def naming(settings: Settings, keys: Collection[str]) -> list[Path]:
    """Folders of feeds that name one of the people; one from before that was noted counts as naming anybody."""
    found = []
    for path in sorted(settings.feeds_dir.glob("*/*")) if settings.feeds_dir.is_dir() else ():
        if not path.is_dir() or path.name.startswith(MAKING):
            continue
        try:
            named = json.loads((path / PEOPLE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            found.append(path)
        else:
            if not set(keys).isdisjoint(named):
                found.append(path)
    return found


def remove_naming(settings: Settings, keys: Collection[str]) -> int:
    """Delete the feeds that name one of the people, whole: 'cairn feeds write' makes the newest anew. How many went."""
    found = naming(settings, keys)
    for path in found:
        shutil.rmtree(path)
    return len(found)


def latest(settings: Settings, school_id: str) -> dict[str, Any] | None:
    """The manifest of a school's newest feed, or None."""
    if not settings.feeds_dir.is_dir():
        return None
    days = sorted((path.name for path in settings.feeds_dir.iterdir() if not path.name.startswith(".")), reverse=True)
    found = (read_manifest(folder(settings, day, school_id)) for day in days)
    return next((manifest for manifest in found if manifest is not None), None)


def schools_of(settings: Settings, data_date: str) -> list[dict[str, Any]]:
    """Manifests of all feeds of a data date, by school."""
    parent = settings.feeds_dir / data_date
    folders = sorted(path for path in parent.iterdir() if not path.name.startswith(".")) if parent.is_dir() else []
    return [manifest for manifest in map(read_manifest, folders) if manifest is not None]


def sent_folder(settings: Settings, school_id: str) -> Path:
    """What is kept of the feed that a school was sent last: the standing by key, and whom it is about."""
    return settings.feeds_dir / SENT / folder_name(school_id)


def remember_sent(settings: Settings, feed: Path, school_id: str) -> None:
    """Keep the standing of a feed that has reached its school: the next feed tells what changed since."""
    if not (feed / STANDING).exists():
        return  # a feed from before standings were kept: the next one is whole
    target = sent_folder(settings, school_id)
    if (target / MANIFEST).exists() and (target / MANIFEST).read_bytes() == (feed / MANIFEST).read_bytes():
        return
    with replacing(target) as making:
        for name in (STANDING, PEOPLE, MANIFEST):
            (making / name).touch(mode=0o600)
            (making / name).write_bytes((feed / name).read_bytes())


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes ``target``'s place when the block ends well and vanishes when it does not.

    A reader sees the old feed or the new one, never half of one.
    """
    for parent in (target.parent.parent, target.parent):
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = secrets.token_hex(4)
    making = target.parent / f"{MAKING}{target.name}-{mark}"
    making.mkdir(mode=0o700)
    try:
        yield making
        if target.exists():
            leaving = target.parent / f"{LEAVING}{target.name}-{mark}"
            target.rename(leaving)
            making.rename(target)
            shutil.rmtree(leaving)
        else:
            making.rename(target)
    finally:
        if making.exists():
            shutil.rmtree(making)
