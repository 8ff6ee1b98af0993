"""Places that files lie in: what is there, a private copy of one, and its removal once it was dealt with.

A file is copied first and the copy is loaded: what somebody writes meanwhile is another file, seen at the next look.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cairn.errors import BusyError, CairnError
from loading.pickup.config import FolderPlace

# Names under which programs write what is not yet whole; a name that begins with a dot is hidden, or macOS's.
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp")
MOST_BYTES = 2 << 30
MOST_FILES = 10_000


@dataclass(frozen=True)
class Entry:
    """A file, or a folder that is a package; ``signature`` changes when anything in it does."""

    name: str
    signature: str
    size_bytes: int
    file_count: int = 1


class Place(Protocol):
    """A place, open for one run."""

    def entries(self) -> list[Entry]:
        """What lies there, finished or not, by name. Raises CairnError where that cannot be seen."""

    def fetch(self, entry: Entry, target: Path) -> None:
        """Copy it to ``target``. Raises BusyError where it changed meanwhile, CairnError where it cannot be read."""

    def remove(self, entry: Entry) -> None:
        """Remove it; one that has changed since stays."""


def is_plain_name(name: str) -> bool:
    """Whether a name is one of a file that is whole: no path, not hidden, no ending of an unfinished one."""
    is_path = "/" in name or "\\" in name or "\0" in name
    return bool(name) and not name.startswith(".") and not is_path and not name.lower().endswith(UNFINISHED)


class OpenFolder:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Entry]:
        try:
            found = sorted(self.folder.iterdir())
        except OSError as error:
            raise CairnError(
                f"{self.folder}: cannot be looked into ({error.strerror}): check path and rights"
            ) from error
        return [entry for path in found if is_plain_name(path.name) and (entry := self._entry(path)) is not None]

    def fetch(self, entry: Entry, target: Path) -> None:
        source = self.folder / entry.name
        if entry.file_count > MOST_FILES:
            raise CairnError(f"{source}: more than {MOST_FILES:,} files in a folder: no package is so large")
        try:
            if source.is_dir():
                _copy_folder(source, target)
            else:
                shutil.copyfile(source, target)
        except (shutil.SpecialFileError, PermissionError) as error:
            raise CairnError(f"{source}: cannot be read: check its rights") from error
        if self._entry(source) != entry:
            raise BusyError("it changed while it was copied: the next run takes it")

    def remove(self, entry: Entry) -> None:
        source = self.folder / entry.name
        if self._entry(source) != entry:
            return
        if source.is_dir():
            shutil.rmtree(source)
        else:
            source.unlink()

    @staticmethod
    def _entry(path: Path) -> Entry | None:
        """None for what is gone meanwhile, or is neither file nor folder (a link may lead anywhere)."""
        try:
            if path.is_symlink():
                return None
            files = [path] if path.is_file() else [one for one in path.rglob("*") if _is_own_file(one)]
            stats = [one.stat() for one in files]
        except FileNotFoundError:
            return None
        if not (path.is_file() or path.is_dir()):
            return None
        size = sum(one.st_size for one in stats)
        newest = max((one.st_mtime_ns for one in stats), default=0)
        return Entry(path.name, f"{len(files)}:{size}:{newest}", size, len(files))


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _copy_folder(source: Path, target: Path) -> None:
    """Copy what a package holds. Links in it are left out as those beside it are: they would bring any file along.

    The copy's folders are the owner's and of now: a package without right to write could else not be put away, and
    one that was made long ago would be emptied as if it had been kept for so long.
    """
    target.mkdir()
    for one in sorted(source.iterdir()):
        if one.is_symlink():
            continue
        if one.is_dir():
            _copy_folder(one, target / one.name)
        else:
            shutil.copyfile(one, target / one.name)


@contextmanager
def open_folder(place: FolderPlace) -> Iterator[Place]:
    """The folder for one run."""
    yield OpenFolder(place.path)
