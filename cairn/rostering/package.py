"""OneRoster packages as folders or zips: which files there are, and what the manifest says about them.

A package is read into memory, never unpacked to disk; limits keep a zip bomb out (sizes are checked before and
while a file is read, since a zip's own directory can lie).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from cairn.errors import CairnError
from cairn.rostering.tabular import Problem, read_table
from cairn.rostering.zips import opened_zip

MANIFEST = "manifest"
MODES = ("absent", "bulk", "delta")
# OneRoster 1.2 defines about twenty files; a package with more entries than this is something else.
MOST_ENTRIES = 200
LARGEST_FILE_BYTES = 1 << 30
LARGEST_PACKAGE_BYTES = 2 << 30
# Rosters compress about twentyfold; small files are left alone, a few repeated lines compress far more.
HIGHEST_RATIO = 200
RATIO_CHECKED_FROM_BYTES = 1 << 20
# Folders in a folder that are looked into: people zip the folder, and the folder around it.
FOLDERS_DEEP = 3

Content = TypeVar("Content")


@dataclass
class Package:
    """Files by OneRoster name (``users``, without ``.csv``) and how each is to be taken: bulk or delta.

    ``version`` is 1.1 or 1.2; ``files`` holds only files that are there and not absent in the manifest.
    """

    path: Path
    version: str
    files: dict[str, bytes]
    modes: dict[str, str]
    problems: list[Problem] = field(default_factory=list)


def open_package(path: Path) -> Package:
    """Read a package. Raises CairnError for what is neither folder nor zip, breaks a limit, or holds no CSV file."""
    if path.is_dir():
        files = _read_folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        files = _read_zip(path)
    elif path.exists():
        raise CairnError(f"{path}: neither a folder nor a zip file: give the OneRoster package as the SIS exports it")
    else:
        raise CairnError(f"{path}: there is no such file or folder")
    if not files:
        inner = "there is another zip in it: unpack it first, and " if _holds_zip(path) else ""
        raise CairnError(f"{path}: no CSV file in the package: {inner}give the folder or zip that holds manifest.csv")
    return _apply_manifest(path, files)


def _read_folder(path: Path) -> dict[str, bytes]:
    """CSV files of the folder, or of the folder in it that holds them."""
    below = [file for depth in range(FOLDERS_DEEP + 1) for file in sorted(path.glob("*/" * depth + "*"))]
    found = {PurePosixPath(*file.relative_to(path).parts): file for file in below if _is_csv(file) and file.is_file()}
    chosen = _of_one_folder(path, found)
    total = sum(file.stat().st_size for file in chosen.values())
    if len(chosen) > MOST_ENTRIES or total > LARGEST_PACKAGE_BYTES:
        raise CairnError(f"{path}: {len(chosen)} files of {total} bytes: larger than a roster can be; not read")
    return {stem: file.read_bytes() for stem, file in chosen.items()}


def _holds_zip(path: Path) -> bool:
    """Whether the package holds a zip, as exporters pack what they have packed."""
    if path.is_dir():
        return any(file.suffix.lower() == ".zip" for file in path.iterdir())
    with opened_zip(path) as (_, named):
        return any(name.suffix.lower() == ".zip" for name in named)


def _is_csv(path: PurePath) -> bool:
    """Whether the name is a CSV file's; macOS adds another beside each (``._users.csv``, ``__MACOSX``)."""
    return path.suffix.lower() == ".csv" and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _of_one_folder(path: Path, found: Mapping[PurePosixPath, Content]) -> dict[str, Content]:
    """What is found, by stem, of the folder with the manifest, or of the only folder.

    A package has one folder: where CSV files lie in several and not exactly one of them has a manifest, nobody can
    say which is meant. Raises CairnError then, and where two names of the folder differ in case only.
    """
    folders = {file.parent for file in found}
    if len(folders) > 1:
        folders = {file.parent for file in found if file.stem.lower() == MANIFEST}
    if len(folders) > 1 or (found and not folders):
        raise CairnError(f"{path}: CSV files in several folders: give the one that holds manifest.csv")
    chosen: dict[str, Content] = {}
    for file, content in found.items():
        if file.parent in folders:
            if file.stem.lower() in {stem.lower() for stem in chosen}:
                raise CairnError(f"{path}: {file.name} is there twice, in another spelling: keep one")
            chosen[file.stem] = content
    return chosen


def _read_zip(path: Path) -> dict[str, bytes]:
    """CSV files of the zip, within the limits."""
    with opened_zip(path) as (archive, named):
        _check_limits(path, archive.infolist())
        chosen = _of_one_folder(path, {name: entry for name, entry in named.items() if _is_csv(name)})
        return {stem: _read_entry(archive, entry, path) for stem, entry in chosen.items()}


def _check_limits(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip bomb by what its directory says."""
    if len(entries) > MOST_ENTRIES:
        raise CairnError(f"{path}: {len(entries)} entries, more than {MOST_ENTRIES}: not a roster; nothing was read")
    total = 0
    for entry in entries:
        total += entry.file_size
        ratio = entry.file_size / max(entry.compress_size, 1)
        if entry.file_size > LARGEST_FILE_BYTES or total > LARGEST_PACKAGE_BYTES:
            raise CairnError(f"{path}: {entry.filename} makes the zip unpack to over {total >> 20} MiB: not read")
        if entry.file_size > RATIO_CHECKED_FROM_BYTES and ratio > HIGHEST_RATIO:
            raise CairnError(
                f"{path}: {entry.filename} unpacks to {ratio:.0f} times its size, as a zip bomb does: not read"
            )


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> bytes:
    """One entry, never more bytes than its directory entry promised."""
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) > entry.file_size:
        raise CairnError(f"{path}: {entry.filename} is larger than the zip's directory says: not read")
    return content


def _apply_manifest(path: Path, files: dict[str, bytes]) -> Package:
    """What the manifest says about each file; without a word about a file that is there, it is taken as bulk."""
    problems: list[Problem] = []
    names = {name.lower(): name for name in files}
    said: dict[str, tuple[str, int]] = {}
    version = ""
    manifest_name = names.get(MANIFEST)
    if manifest_name is None:
        problems.append(Problem("manifest.csv", 1, "there is no manifest: files are taken as bulk", is_rejected=False))
    else:
        table = read_table("manifest.csv", files.pop(manifest_name), ("propertyName", "value"))
        table.require(("propertyName", "value"))
        for row in table.rows:
            key, value = row.get("propertyName"), row.get("value").lower()
            if key.lower().startswith("file."):
                if value not in MODES:
                    raise CairnError(f"manifest.csv:{row.line}: {key} is neither absent, bulk nor delta: correct it")
                said[key[len("file.") :].lower()] = (value, row.line)
            elif key.lower() == "oneroster.version":
                version = value
    names.pop(MANIFEST, None)
    modes = {}
    for lower, name in names.items():
        mode, line = said.get(lower, ("bulk", 0))
        if mode == "absent":
            reason = f"says {name} is absent, and {name}.csv is there: left aside"
            problems.append(Problem("manifest.csv", line, reason, is_rejected=False))
            files.pop(name)
        else:
            modes[name] = mode
    for lower, (mode, line) in said.items():
        if mode != "absent" and lower not in names:
            reason = f"says {mode} for {lower}, and {lower}.csv is not there: nothing of it was ended"
            problems.append(Problem("manifest.csv", line, reason, is_rejected=False))
    return Package(path, version or _guess_version(files), files, modes, problems)


def _guess_version(files: dict[str, bytes]) -> str:
    """1.2 brought roles.csv; without a manifest's word its presence decides."""
    return "1.2" if any(name.lower() == "roles" for name in files) else "1.1"
