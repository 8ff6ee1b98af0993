"""Zip files as exporters make them: opened, their entries by name, and what is wrong with one in words."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cairn.errors import CairnError


@contextmanager
def opened_zip(path: Path) -> Iterator[tuple[zipfile.ZipFile, Mapping[PurePosixPath, zipfile.ZipInfo]]]:
    """The archive and its files by name, folders left out. Raises CairnError for what cannot be read, then or later."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            # Old archivers of Windows write backslashes, which the zip format does not know (APPNOTE 4.4.17.1).
            yield archive, {PurePosixPath(entry.filename.replace("\\", "/")): entry for entry in files}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        # RuntimeError is what zipfile raises for an encrypted entry, NotImplementedError for an unknown compression.
        raise CairnError(f"{path}: the zip cannot be read ({error}): export it again, without a password") from error
