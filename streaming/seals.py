"""Originals of refused statements, sealed and appended to files that nothing rewrites, for replay after a fix."""

from __future__ import annotations

import os
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


class SealStore:
    """Append-only segments in ``home/sealed``, one a process and day; ``seal_ref`` is ``file:offset``.

    What is sealed says how to read it: a word (``xapi``, ``caliper``, ``element``), a line end, the original bytes.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder: Path = settings.sealed_dir
        self._sealer = Sealer(settings)
        self._lock = threading.Lock()

    def append(self, originals: list[tuple[str, bytes]]) -> list[str]:
        """Seal originals (kind, bytes), on disk when this returns; their references in order."""
        if not originals:
            return []
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"refused-{datetime.now(UTC):%Y%m%d}-{os.getpid()}.seal"
        references: list[str] = []
        with self._lock, (self._folder / name).open("ab") as file:
            os.chmod(file.fileno(), 0o600)  # noqa: PTH101 - the open file, not whatever bears its name now
            for kind, original in originals:
                sealed = self._sealer.seal(kind.encode("ascii") + b"\n" + original, CONTEXT)
                references.append(f"{name}:{file.tell()}")
                file.write(LENGTH.pack(len(sealed)) + sealed)
            file.flush()
            os.fsync(file.fileno())
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

        What is just being written at the end of a file is left out. Raises CairnError where one does not open.
        """
        for path in sorted(self._folder.glob("*.seal")):
            with path.open("rb") as file:
                while len(head := file.read(LENGTH.size)) == LENGTH.size:
                    (length,) = LENGTH.unpack(head)
                    place, sealed = file.tell(), file.read(length)
                    if len(sealed) == length and sealed[:1] != ERASED:
                        yield path, place, length, self._sealer.open(sealed, CONTEXT)

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
