"""One school's feed: its lists, whole and by class, the OneRoster packages, the page, all signed, and sealed if it can.

The folder is swapped in whole. Names are written down as one disclosure before they are in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from answers import feed_access, feed_folders, wording
from answers.pinned_releases import Opened
from answers.pupil_names import Names, look_up
from answers.school_answers import SchoolView, pupils
from answers.school_trust import Age
from cairn.language import noted
from cairn.settings import Settings
from cairn.teacher_words import TeacherWords, load_teacher_words
from feeds import delta, oneroster
from feeds.feed_file import CSV, PARQUET, FeedFile, parquet_content
from feeds.minisign import SigningKey
from feeds.page import feed_page
from feeds.school_files import STANDING, feed_files
from feeds.sealing import seal
from feeds.signed import entry, signing_key, write_manifest, write_private

Row = dict[str, Any]
ACTOR = "feeds"
PAGE = "feed.html"
CLASSES = "classes"


@dataclass(frozen=True)
class Morning:
    """What the feeds of one morning share."""

    settings: Settings
    release: Opened
    age: Age
    roster: oneroster.ClassRoster
    words: TeacherWords
    key: SigningKey
    school_keys: dict[str, list[str]]

    @classmethod
    def of(cls, settings: Settings, release: Opened, age: Age) -> Morning:
        """Read what is shared once."""
        return cls(
            settings,
            release,
            age,
            oneroster.load_class_roster(settings, release.data_date),
            load_teacher_words(settings),
            signing_key(settings),
            feed_access.keys_of(settings),
        )


def label(view: SchoolView, age: Age) -> str | None:
    """What the feed says of itself where it is not today's: held back, or old."""
    if view.school["is_held_back"]:
        reason = view.school["held_reason"] or "a check failed"
        shown = wording.day(view.data_date)
        return f"Held back: the newest data did not pass a check ({reason}). This is the answer of {shown}."
    return age.label if age.is_old else None


def write_school(morning: Morning, view: SchoolView) -> int:
    """Write one school's folder; returns how many files it holds."""
    settings, release = morning.settings, morning.release
    school_id = view.school["school_id"]
    standing = release.table(STANDING, [school_id])
    sent = feed_folders.sent_folder(settings, school_id)
    before = delta.read_standing(sent / feed_folders.STANDING)
    kept = delta.kept_standing(standing)
    changes = delta.changed_rows(before, kept)
    # Who is gone since the last feed is named in the list of what changed.
    everybody = view.student_keys.union(*(pc.unique(one["student_key"]).to_pylist() for one in (kept, changes)))
    names = look_up(
        settings,
        everybody | view.teacher_keys,
        actor=ACTOR,
        purpose="nightly school feed",
        kind="feed",
        school_id=school_id,
        release_id=release.release_id,
    )
    since = _since(sent) if before is not None else "nothing: this is the first feed that you are sent"
    files = feed_files(view, standing, names, settings.zone, morning.words)
    files.append(delta.delta_file(changes, names, since))
    packages = oneroster.packages(standing, school_id, names, morning.roster, settings.zone)
    manifest = _manifest(morning, view, packages) | {"changes_since": since}
    target = feed_folders.folder(settings, release.data_date.isoformat(), school_id)
    with feed_folders.replacing(target) as making:
        contents = _Contents(making)
        contents.lists("", files)
        contents.package("", oneroster.together(packages.values()))
        contents.page(view, names, manifest)
        by_class = [file.by_class(packages) for file in files]
        for class_id, package in sorted(packages.items()):
            folder = f"{CLASSES}/{feed_folders.folder_name(class_id)}/"
            contents.lists(folder, [parts[class_id] for parts in by_class if parts], class_id=class_id)
            contents.package(folder, package, class_id=class_id)
        whole = manifest | {"files": contents.entries}
        write_private(making / feed_folders.PUPILS, json.dumps(contents.named).encode())
        write_private(making / feed_folders.PEOPLE, json.dumps(sorted(everybody | view.teacher_keys)).encode())
        write_private(making / feed_folders.STANDING, parquet_content(kept))
        finish(making, whole, morning.key, morning.school_keys.get(school_id, []))
    return len(contents.entries) + 1


def finish(making: Path, manifest: Row, key: SigningKey, school_keys: list[str]) -> None:
    """Sign a folder that is written, and seal it where the school has a key."""
    write_manifest(making, manifest, key)
    if school_keys:
        seal(making, manifest, school_keys, key)


class _Contents:
    """A folder in the making: its files as they are written, with their lines in the manifest and whom they name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.entries: list[Row] = []
        self.named: dict[str, list[str]] = {}

    def add(self, name: str, content: bytes, named: frozenset[str] | set[str], **more: Any) -> None:
        """Write one file."""
        self.entries.append(entry(self._folder, name, content, **more, pupils=len(named)))
        self.named[name] = sorted(named)

    def lists(self, folder: str, files: list[FeedFile], **more: Any) -> None:
        """Each list as CSV and as Parquet: the same rows."""
        for file in files:
            for ending in (CSV, PARQUET):
                about = file.about if ending == CSV else f"{file.about} (the same rows, typed)"
                rows = file.table.num_rows
                self.add(
                    f"{folder}{file.name}.{ending}", file.content(ending), file.pupils, about=about, rows=rows, **more
                )

    def package(self, folder: str, package: oneroster.Package, **more: Any) -> None:
        """The OneRoster package."""
        about = noted("OneRoster 1.2 results, for the school's information system")
        rows = package.results
        self.add(f"{folder}{feed_folders.ONEROSTER}", package.content(), package.pupils, about=about, rows=rows, **more)

    def page(self, view: SchoolView, names: Names, manifest: Row) -> None:
        """The page to print."""
        content = feed_page(view, names, manifest, words_of_day=wording.day(view.data_date))
        self.add(PAGE, content, view.student_keys, about=noted("The five answers on a page to print"), rows=None)


def _manifest(morning: Morning, view: SchoolView, packages: dict[str, oneroster.Package]) -> Row:
    release = morning.release
    return {
        "school_id": view.school["school_id"],
        "school_name": view.school["school_name"],
        "release_id": release.release_id,
        "data_date": release.data_date.isoformat(),
        "shown_data_date": view.data_date.isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "is_held_back": bool(view.school["is_held_back"]),
        "is_old": morning.age.is_old,
        "label": label(view, morning.age),
        "counts": counts(view),
        "results_without_sourced_id": sum(package.left_out for package in packages.values()),
    }


def _since(sent: Path) -> str:
    """Which feed the changes are counted from."""
    manifest = feed_folders.read_manifest(sent) or {}
    return f"the feed of {manifest.get('shown_data_date')} ({manifest.get('release_id')})"


def counts(view: SchoolView) -> dict[str, int]:
    """The numbers of a feed: the same as on the page."""
    return {
        "needs_adult_pupils": pupils(view.needs_adult),
        "needs_adult": len(view.needs_adult),
        "moves_on_pupils": pupils(view.moves_on),
        "moves_on": len(view.moves_on),
        "changes": len(view.changes),
        "classes": len(view.classes),
        "groups": len(view.groups),
    }
