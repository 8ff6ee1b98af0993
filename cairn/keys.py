"""The district's secret keys, and what identifiers and contents become under them.

A ``subject_key`` is what a learner's identifier looks like outside the vault: the same identifier gives the same key
on every machine that holds the key files, and nobody without them can go back or even test a guess.

Standard: HMAC-SHA256 (RFC 2104), base32 (RFC 4648), UUIDv5 (RFC 9562).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
import uuid
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import Settings

SUBJECT_KEY_BYTES = 20
KEY_BYTES = 32
EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cairn.example/learner.activity")
NAMESPACE_BYTES = EVENT_NAMESPACE.bytes
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
# Ten bits make two characters; base64.b32encode does the same in five times the time.
BASE32_PAIRS = tuple(a + b for a in BASE32 for b in BASE32)
SUBJECT_KEY_FILE = re.compile(r"subject\.v(\d+)\.key", re.ASCII)
# Between parts that must not run into each other; the ASCII unit separator never occurs in identifiers.
SEPARATOR = "\x1f"


def load_or_create_key(folder: Path, name: str) -> bytes:
    """The 32 bytes of key file ``name``, made on first use, readable by the owner only.

    Two processes that come first at the same moment end with the same key: the file is written aside and linked
    into place, and a link never replaces. Raises CairnError where the file is not a key.
    """
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # Path.hardlink_to fails with FileExistsError where another process was first.
            path.hardlink_to(aside)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise CairnError(f"key file {path} is not {KEY_BYTES} bytes in hexadecimal: restore it from backup") from error
    if len(key) != KEY_BYTES:
        raise CairnError(f"key file {path} holds {len(key)} bytes, expected {KEY_BYTES}: restore it from backup")
    return key


def _base32(digest: bytes) -> str:
    """Lower-case base32 (RFC 4648) without padding, of 16 bytes (26 characters) or 20 (32 characters)."""
    bits, length = int.from_bytes(digest, "big"), len(digest) * 8
    # 128 bits are filled up to 130, as the standard does.
    bits, length = bits << -length % 10, length + -length % 10
    return "".join([BASE32_PAIRS[(bits >> shift) & 1023] for shift in range(length - 10, -1, -10)])


def normalise_identifier(kind: str, value: str) -> str:
    """One spelling for an identifier, so that the roster's and the app's give the same key.

    Surrounding blanks go, Unicode becomes NFC; mail addresses lose ``mailto:`` and become lower case (mailbox names
    are compared without case by every provider a district uses), SHA-1 sums become lower case; all else stays.
    """
    text = value.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if kind == "mbox":
        text = text.lower()
        return text.removeprefix("mailto:")
    if kind == "mbox_sha1sum":
        return text.lower()
    return text


def newest_version(settings: Settings) -> int:
    """The highest version of the subject key that there is; 1 before the first."""
    versions = [
        int(found[1]) for path in settings.keys_dir.glob("*") if (found := SUBJECT_KEY_FILE.fullmatch(path.name))
    ]
    return max(versions, default=1)


def version_of(subject_key: str) -> int:
    """The version of the district's key that a subject key was made under."""
    return int(subject_key[1 : subject_key.index("_")])


class _Hmac:
    """HMAC-SHA256 under one key (RFC 2104) whose two beginnings are made once: half the time of ``hmac.digest``."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, message: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True)
class DistrictKeys:
    """The district's keys of version ``version``; load with :meth:`load`, never print."""

    version: int
    _subject: bytes
    _content: bytes
    _payload: bytes

    @classmethod
    def load(cls, settings: Settings, version: int | None = None) -> DistrictKeys:
        """The keys in ``settings.keys_dir``, created on first use: the newest subject key, or that of a version."""
        folder = settings.keys_dir
        wanted = version or newest_version(settings)
        return cls(
            version=wanted,
            _subject=load_or_create_key(folder, f"subject.v{wanted}.key"),
            _content=load_or_create_key(folder, "content.v1.key"),
            _payload=load_or_create_key(folder, "payload.v1.key"),
        )

    def __repr__(self) -> str:
        """Never the keys themselves."""
        return f"DistrictKeys(version={self.version})"

    @cached_property
    def _of_subject(self) -> _Hmac:
        return _Hmac(self._subject)

    @cached_property
    def _of_content(self) -> _Hmac:
        return _Hmac(self._content)

    def subject_key(self, kind: str, value: str) -> str:
        """``s1_`` and 32 base32 characters for an identifier of a kind.

        Kinds: ``account:<homePage>``, ``mbox``, ``mbox_sha1sum``, ``openid``, ``caliper`` (actor IRI), ``sourcedId``.
        """
        message = f"{kind.strip()}{SEPARATOR}{normalise_identifier(kind, value)}".encode("utf-8", "surrogatepass")
        digest = self._of_subject(message)[:SUBJECT_KEY_BYTES]
        return f"s{self.version}_{_base32(digest)}"

    def content_hash(self, canonical: bytes) -> str:
        """Keyed hash (64 hexadecimal digits) of a statement's canonical form; equal where the content is equal."""
        return self._of_content(canonical).hex()

    def payload_hash(self, payload: bytes) -> str:
        """Keyed hash (64 hexadecimal digits) of a refused payload: tells repeats apart, reveals nothing."""
        return hmac.digest(self._payload, payload, "sha256").hex()

    def opaque(self, kind: str, value: str) -> str:
        """A short keyed hash (26 base32 characters) for identifiers that are not people, such as sessions."""
        message = f"{kind}{SEPARATOR}{value}".encode("utf-8", "surrogatepass")
        return _base32(self._of_content(message)[:16])


def event_id(source_id: str, source_statement_id: str, part: int = 0) -> str:
    """UUIDv5 of source, the source's own statement id and the part of the statement, from 0."""
    name = f"{source_id}{SEPARATOR}{source_statement_id}{SEPARATOR}{part}".encode()
    # uuid.uuid5 spelt out: the same value (a test holds it) without an object in between, once an event.
    digest = hashlib.sha1(NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def partition_of(subject_key: str, partitions: int) -> int:
    """Partition of a subject: the same for every sender, so that a learner's events keep their order.

    CRC-32 of the key modulo the number of partitions (kafka-python's own hash is pure Python and slow).
    """
    return zlib.crc32(subject_key.encode("ascii")) % partitions
