"""Zip files as exporters make them: opened, their entries by name, and what is wrong with one in words."""

from __future__ import annotations

import errno
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cairn.errors import CairnError

# RuntimeError is what zipfile raises for an encrypted entry, NotImplementedError for an unknown compression; what a
# damaged entry gives is its compression's own error, a damaged name UnicodeDecodeError.
_UNREADABLE = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError),
    *(zlib.error, lzma.LZMAError, UnicodeDecodeError),
)
# A damaged length asks for a place that no file has (EINVAL), and bz2 gives an OSError without a number.
_NOT_THE_DISKS = (None, errno.EINVAL)


@contextmanager
def opened_zip(path: Path) -> Iterator[tuple[zipfile.ZipFile, Mapping[PurePosixPath, zipfile.ZipInfo]]]:
    """The archive and its files by name, folders left out. Raises CairnError for what cannot be read, then or later."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            # Old archivers of Windows write backslashes, which the zip format does not know (APPNOTE 4.4.17.1).
            yield archive, {PurePosixPath(entry.filename.replace("\\", "/")): entry for entry in files}
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NOT_THE_DISKS:
            raise
        raise CairnError(f"{path}: the zip cannot be read ({error}): export it again, without a password") from error
