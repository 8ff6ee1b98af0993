"""Originals of refused statements, sealed and appended to files that nothing rewrites, for replay after a fix."""

from __future__ import annotations

import io
import logging
import os
import secrets
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cairn.errors import CairnError
from cairn.sealing import Sealer
from cairn.settings import Settings

LENGTH = struct.Struct(">I")
CONTEXT = b"refused statement"
# In place of the key's version, which begins at 1.
ERASED = b"\x00"
log = logging.getLogger(__name__)


class SealStore:
    """Append-only segments in ``home/sealed``, one a store (and so a process) and day; ``seal_ref`` is ``file:offset``.

    What is sealed says how to read it: a word (``xapi``, ``caliper``, ``element``), a line end, the original bytes.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder: Path = settings.sealed_dir
        self._sealer = Sealer(settings)
        self._lock = threading.Lock()
        # Not the process's number, which another process may get after it: two writers are never in one file.
        self._own = secrets.token_hex(8)

    def append(self, originals: list[tuple[str, bytes]]) -> list[str]:
        """Seal originals (kind, bytes), on disk when this returns; their references in order."""
        if not originals:
            return []
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"refused-{datetime.now(UTC):%Y%m%d}-{self._own}.seal"
        references: list[str] = []
        # Unbuffered, so that nothing is written behind a failure.
        with self._lock, (self._folder / name).open("ab", buffering=0) as file:
            os.chmod(file.fileno(), 0o600)  # noqa: PTH101 - the open file, not whatever bears its name now
            start = file.tell()
            text = bytearray()
            for kind, original in originals:
                sealed = self._sealer.seal(kind.encode("ascii") + b"\n" + original, CONTEXT)
                references.append(f"{name}:{start + len(text)}")
                text += LENGTH.pack(len(sealed)) + sealed
            try:
                _write_all(file, bytes(text))
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(start)  # what is torn would hide what is written after it
                raise
        return references

    def is_erased(self, reference: str) -> bool:
        """Whether the original was erased with the person it is about."""
        name, _, offset = reference.rpartition(":")
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(int(offset) + LENGTH.size)
                return file.read(1) == ERASED
        except (OSError, ValueError):
            return False

    def originals(self) -> Iterator[tuple[Path, int, int, bytes]]:
        """Every original that can be opened: its file, place and sealed length in it, what was sealed.

        What is just being written at the end of a file is left out. A file with something that does not open (torn by
        a crash, or its key is gone) is named in the log, and what can be opened behind it is found all the same.
        """
        for path in sorted(self._folder.glob("*.seal")):
            content, at, is_torn, is_aligned = path.read_bytes(), 0, False, True
            while at + LENGTH.size < len(content):
                (length,) = LENGTH.unpack_from(content, at)
                place = at + LENGTH.size
                sealed = content[place : place + length] if length <= len(content) - place else b""
                if sealed and not sealed.strip(ERASED):
                    at = place + length
                elif (original := self._opened(sealed)) is None:
                    is_torn = is_torn or (is_aligned and bool(sealed))
                    is_aligned, at = False, at + 1  # the next one may begin anywhere
                else:
                    yield path, place, length, original
                    is_torn, is_aligned, at = is_torn or not is_aligned, True, place + length
            if is_torn:
                log.warning("%s: a sealed original in it does not open; what can be read was read", path.name)

    def _opened(self, sealed: bytes) -> bytes | None:
        try:
            return self._sealer.open(sealed, CONTEXT)
        except CairnError:
            return None

    def erase(self, is_about: Callable[[bytes], bool]) -> int:
        """Overwrite the originals of which ``is_about`` is true, on disk when this returns; how many.

        Places in the file stay, so that references to the others hold.
        """
        gone = 0
        for path, place, length, original in self.originals():
            if is_about(original):
                with path.open("r+b") as file:
                    file.seek(place)
                    file.write(ERASED * length)
                    file.flush()
                    os.fsync(file.fileno())
                gone += 1
        return gone

    def read(self, reference: str) -> tuple[str, bytes]:
        """Kind and original bytes. Raises CairnError where the file is gone or was cut."""
        name, _, offset = reference.rpartition(":")
        if "/" in name or not offset.isdigit():
            raise CairnError("a seal reference must be file:offset")
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(int(offset))
                (length,) = LENGTH.unpack(file.read(LENGTH.size))
                sealed = file.read(length)
        except (OSError, struct.error) as error:
            raise CairnError(f"no sealed original at {reference}: restore {self._folder}") from error
        if len(sealed) != length:
            raise CairnError(f"the sealed original at {reference} was cut: restore {self._folder}")
        kind, _, original = self._sealer.open(sealed, CONTEXT).partition(b"\n")
        return kind.decode("ascii"), original


def _write_all(file: io.FileIO, text: bytes) -> None:
    """Write everything: one call may take a part."""
    while text:
        text = text[file.write(text) :]
