"""Releases on disk: which one is current, opening it, swapping in the next, keeping a few.

``home/releases/<kind>/<release_id>/{warehouse.duckdb, manifest.json}`` never changes once published;
``home/releases/<kind>/current.json`` names the one to read and is replaced in one rename, so that a reader sees the
release before or the release after, never half of one. Files are the owner's alone (0600 in folders of 0700): they hold
the states of single pupils, and DuckDB has no rights of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypedDict

import duckdb
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from cairn.whole_file import write_private

KINDS = ("learning", "evaluation")
KEEP = 7
_ID = re.compile(r"(learning|evaluation)-(\d{4}-\d{2}-\d{2})-(\d+)")


class Held(TypedDict):
    """A school held back: why, and which release's rows it shows (None where there were none to show)."""

    school_id: str
    reason: str
    shown_release_id: str | None


class Audit(TypedDict):
    """The gate that looked at the file to be published: its run, the file's SHA-256 after it, and the release that
    was current then, whose rows the held schools show."""

    gate_run_id: str
    sha256: str
    against: str | None


class Erased(TypedDict):
    """Somebody whose rows were taken out of the file after it was published: the receipt, and when (ISO 8601)."""

    erasure_id: str
    erased_at: str


@dataclass(frozen=True)
class Release:
    """One release, as its manifest says.

    ``as_of`` is the instant as of which two-time tables were read, ``read_at`` when the build began to read the lake.
    ``held`` are the schools held back; ``audit`` is None until the gate before publishing has passed the file.
    ``based_on`` is the learning release that an evaluation rests on, ``code_version`` the code that made it;
    ``cut_offsets`` are topic, partition, next offset. ``erased``: people whose rows went after it was published.
    """

    release_id: str
    kind: str
    data_date: date
    built_at: datetime
    path: Path
    cut_offsets: dict[str, dict[str, int]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    based_on: str | None = None
    published_at: datetime | None = None
    tables: dict[str, int] = field(default_factory=dict)
    as_of: datetime | None = None
    read_at: datetime | None = None
    audit: Audit | None = None
    code_version: str | None = None
    erased: list[Erased] = field(default_factory=list)

    def manifest(self) -> dict[str, Any]:
        """What manifest.json holds: everything but the path."""
        return {
            "release_id": self.release_id,
            "kind": self.kind,
            "data_date": self.data_date.isoformat(),
            "built_at": self.built_at.isoformat(),
            "published_at": self.published_at.isoformat() if self.published_at else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "read_at": self.read_at.isoformat() if self.read_at else None,
            "based_on": self.based_on,
            "cut_offsets": self.cut_offsets,
            "held": self.held,
            "tables": self.tables,
            "audit": self.audit,
            "code_version": self.code_version,
            "erased": self.erased,
        }


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _from_manifest(folder: Path) -> Release:
    raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return Release(
        release_id=raw["release_id"],
        kind=raw["kind"],
        data_date=date.fromisoformat(raw["data_date"]),
        built_at=datetime.fromisoformat(raw["built_at"]),
        path=folder / "warehouse.duckdb",
        cut_offsets=raw.get("cut_offsets") or {},
        held=raw.get("held") or [],
        based_on=raw.get("based_on"),
        published_at=_instant(raw.get("published_at")),
        tables=raw.get("tables") or {},
        as_of=_instant(raw.get("as_of")),
        read_at=_instant(raw.get("read_at")),
        audit=raw.get("audit"),
        code_version=raw.get("code_version"),
        erased=raw.get("erased") or [],
    )


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner opens (0700), those above it as needed; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def make_private(path: Path) -> None:
    """Let only the owner read and write a file (0600)."""
    path.chmod(0o600)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises FileNotFoundError."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file (0600) so that a reader sees the old or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(content, indent=1, default=str).encode())


def kind_dir(settings: Settings, kind: str) -> Path:
    """Folder of a kind of release. Raises UsageError for an unknown kind."""
    if kind not in KINDS:
        raise UsageError(f"unknown kind of release {kind!r}: use one of {', '.join(KINDS)}")
    return settings.releases_dir / kind


def current(settings: Settings, kind: str) -> Release | None:
    """The release to read, or None before the first."""
    pointer = kind_dir(settings, kind) / "current.json"
    try:
        release_id = json.loads(pointer.read_text(encoding="utf-8"))["release_id"]
    except FileNotFoundError:
        return None
    return get(settings, kind, release_id)


def get(settings: Settings, kind: str, release_id: str) -> Release:
    """A release by id, published or not. Raises CairnError where it is not there (any more)."""
    folder = kind_dir(settings, kind) / release_id
    if not _ID.fullmatch(release_id) or not (folder / "manifest.json").is_file():
        raise CairnError(f"no {kind} release {release_id!r}: see 'cairn marts releases'")
    return _from_manifest(folder)


def list_releases(settings: Settings, kind: str | None = None) -> list[Release]:
    """Published releases that are still kept, newest first."""
    found = []
    for wanted in (kind,) if kind else KINDS:
        for manifest in kind_dir(settings, wanted).glob("*/manifest.json"):
            try:
                release = _from_manifest(manifest.parent)
            except FileNotFoundError:
                continue  # pruned while we looked
            if release.published_at:
                found.append(release)
    return sorted(found, key=lambda r: (r.published_at or r.built_at, r.release_id), reverse=True)


def open_release(settings: Settings, kind: str, release_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a release, the current one where no id is given; times are shown in UTC.

    Close it after use; open it again after a swap. Raises CairnError where nothing was published yet.
    """
    release = get(settings, kind, release_id) if release_id else current(settings, kind)
    if release is None:
        raise CairnError(f"no {kind} release was published yet: run 'cairn night run'")
    return connect(settings, release)


def connect(settings: Settings, release: Release) -> duckdb.DuckDBPyConnection:
    """A read-only connection; all of a process must have the same options, or DuckDB refuses the second."""
    connection = duckdb.connect(
        str(release.path), read_only=True, config={"memory_limit": settings.duckdb_memory_limit, "threads": 2}
    )
    # For every cursor: what is set without "global" stays with this one, and its cursors show the machine's own zone.
    connection.execute("set global TimeZone = 'UTC'")
    return connection


def new_folder(settings: Settings, kind: str, data_date: date) -> Path:
    """An empty folder for the next release of the day; drafts of it that were never published are removed.

    The folder's name is the release's id, such as ``learning-2026-10-14-1``. Call it under :func:`building`.
    """
    base = kind_dir(settings, kind)
    prefix = f"{kind}-{data_date.isoformat()}-"
    used = [0]
    for folder in base.glob(f"{prefix}*"):
        manifest = folder / "manifest.json"
        if manifest.is_file() and _from_manifest(folder).published_at:
            used.append(int(folder.name.rpartition("-")[2]))
        else:
            shutil.rmtree(folder)
    for above in (settings.releases_dir, base):
        private_folder(above)
    return private_folder(base / f"{prefix}{max(used + _recorded(settings, kind, prefix)) + 1}")


def _recorded(settings: Settings, kind: str, prefix: str) -> list[int]:
    """Counters of releases of the day that ops.release knows, pruned ones too: an id is never used twice."""
    rows = lake.read(settings, "ops.release", ["release_id"], (pc.field("kind") == kind)).to_pylist()
    return [int(r["release_id"].rpartition("-")[2]) for r in rows if r["release_id"].startswith(prefix)]


def save(release: Release) -> None:
    """Write the release's manifest."""
    write_json(release.path.parent / "manifest.json", release.manifest())


def record(settings: Settings, release: Release, event: str, detail: str = "") -> None:
    """Append what happened to a release to ops.release: built, published, held, withdrawn or erased."""
    lake.append(
        settings,
        "ops.release",
        [
            {
                "release_id": release.release_id,
                "kind": release.kind,
                "event": event,
                "happened_at": datetime.now(UTC),
                "data_date": release.data_date,
                "based_on_release_id": release.based_on,
                "cut_offsets": json.dumps(release.cut_offsets),
                "tables": len(release.tables),
                "detail": detail,
            }
        ],
    )


def swap(settings: Settings, release: Release) -> None:
    """Make the release the current one of its kind, in one rename; then drop releases that nobody needs."""
    pointer = kind_dir(settings, release.kind) / "current.json"
    write_json(pointer, {"release_id": release.release_id})
    prune(settings, release.kind)


def prune(settings: Settings, kind: str, keep: int = KEEP) -> list[str]:
    """Delete all but the newest releases; never a current one, nor the base of the current evaluation."""
    evaluation = current(settings, "evaluation")
    here = current(settings, kind)
    needed = {release.release_id for release in (evaluation, here) if release}
    if evaluation and evaluation.based_on:
        needed.add(evaluation.based_on)
    gone = []
    for release in list_releases(settings, kind)[keep:]:
        if release.release_id not in needed:
            shutil.rmtree(release.path.parent)
            gone.append(release.release_id)
    return gone


@contextmanager
def building(settings: Settings) -> Iterator[None]:
    """One build at a time, over all processes; waits for the other."""
    private_folder(settings.releases_dir)
    with (settings.releases_dir / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
