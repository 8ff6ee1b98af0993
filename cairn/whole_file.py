"""A file that only its owner reads, whole at every moment: the old one or the new one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cairn.errors import CairnError


def write_private(path: Path, content: bytes) -> None:
    """Write a file (0600) so that a reader sees the old or the new one, also after a crash; on the disk on return."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def private_text(path: Path, named_in: str) -> str:
    """A secret in a file of the owner's only (mode 0600), without the newline at its end.

    ``named_in`` is where the file is named as one. Raises CairnError where it is missing, open to others, or empty.
    """
    check_private(path, named_in)
    text = path.read_text(encoding="utf-8").strip("\r\n")
    if not text:
        raise CairnError(f"{path}: the file with the secret is empty")
    return text


def check_private(path: Path, named_in: str) -> None:
    """Raise CairnError for a file that is not there or that others than its owner may use."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): {named_in} names it as a secret") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CairnError(f"{path}: others than its owner may use the file of a secret: chmod 600 {path}")
