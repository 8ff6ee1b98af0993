"""Originals of refused statements, sealed and appended to files that nothing rewrites, for replay after a fix."""

from __future__ import annotations

import os
import struct
import threading
from datetime import UTC, datetime
from pathlib import Path

from cairn.errors import CairnError
from cairn.sealing import Sealer
from cairn.settings import Settings

LENGTH = struct.Struct(">I")
CONTEXT = b"refused statement"


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
