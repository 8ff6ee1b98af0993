"""One file that holds what a district cannot make anew: vault, disclosures waiting, keys, list of erasures. Sealed.

The lake is backed up apart from it: whoever has only one of the two has nobody's name with anybody's work. The file is
a gzipped tar under AES-256-GCM (NIST SP 800-38D), its key made of a passphrase by scrypt (RFC 7914; N 2^15, r 8, p 1).
"""

from __future__ import annotations

import io
import os
import secrets
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.sqlite_file import BUSY_SECONDS
from cairn.whole_file import write_private
from identity import erasures
from identity.disclosure_log import log_path
from identity.vault_file import FILE

MAGIC = b"cairn vault 1\n"
SALT_BYTES, NONCE_BYTES = 16, 12
MINIMUM_PASSPHRASE = 12


@dataclass(frozen=True)
class Restored:
    """What a restore put back: files, and receipts of erasures that the backup did not know and that are kept."""

    files: int
    receipts_kept: int


def backup(settings: Settings, path: Path, passphrase: str) -> int:
    """Write the backup (mode 0600), whole or not at all; returns how many files are in it.

    Raises CairnError where there is no vault yet, or the passphrase is short.
    """
    _check(passphrase)
    vault = settings.vault_dir / FILE
    if not vault.is_file():
        raise CairnError(f"no vault in {settings.vault_dir}: nothing to back up")
    content = io.BytesIO()
    names = 0
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for database in (vault, log_path(settings)):
            if database.is_file():
                _add(tar, f"vault/{database.name}", _as_of_now(database))
                names += 1
        for folder in (settings.keys_dir, erasures.folder(settings)):
            for file in sorted(folder.glob("[!.]*")) if folder.is_dir() else ():
                _add(tar, f"{folder.name}/{file.name}", file.read_bytes())
                names += 1
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, content.getvalue(), MAGIC)
    write_private(path, MAGIC + salt + nonce + sealed)
    return names


def restore(settings: Settings, path: Path, passphrase: str, *, replace: bool = False) -> Restored:
    """Put a backup back. Receipts of erasures that it does not know stay: who was erased since is erased again.

    Call :func:`night.erasure.replay` then. Raises CairnError where the passphrase is not the one it was made with, the
    file is damaged, or a vault is there and ``replace`` is not said.
    """
    here = settings.vault_dir / FILE
    if here.exists() and not replace:
        raise CairnError(f"a vault is there, {here}: move it away, or say --replace")
    files = _opened(path, passphrase)
    known = {receipt.erasure_id for receipt in erasures.every(settings)}
    for database in (here, log_path(settings)):
        for leftover in database.parent.glob(f"{database.name}*"):
            leftover.unlink()
    for name, content in files.items():
        target = settings.home / name
        if name.startswith("erasures/") and target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(target, content)
    return Restored(len(files), len(known - {Path(name).stem for name in files}))


def _opened(path: Path, passphrase: str) -> dict[str, bytes]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CairnError(f"{path} cannot be read ({error.strerror})") from error
    if not raw.startswith(MAGIC):
        raise CairnError(f"{path} is no backup of a vault, or was made by a newer version")
    salt, nonce, sealed = (
        raw[len(MAGIC) :][:SALT_BYTES],
        raw[len(MAGIC) + SALT_BYTES :][:NONCE_BYTES],
        raw[len(MAGIC) + SALT_BYTES + NONCE_BYTES :],
    )
    try:
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, MAGIC)
    except InvalidTag as error:
        raise CairnError(f"{path} does not open: another passphrase made it, or the file is damaged") from error
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:gz") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def _as_of_now(path: Path) -> bytes:
    """A SQLite file as of one instant, also while others write to it; without its free pages."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.copy")
    draft.unlink(missing_ok=True)
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            database.execute("VACUUM INTO ?", (str(draft),))
        return draft.read_bytes()
    finally:
        draft.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(passphrase.encode())


def _check(passphrase: str) -> None:
    if len(passphrase) < MINIMUM_PASSPHRASE:
        raise CairnError(f"the passphrase is too short: {MINIMUM_PASSPHRASE} characters at least")
