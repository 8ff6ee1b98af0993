"""Signatures in minisign's format, so that a school can check them with a tool that is not ours.

Format: https://jedisct1.github.io/minisign/ ("Signature format", prehashed: Ed25519 (RFC 8032) over BLAKE2b-512
(RFC 7693) of the file, and a second signature over the first with its trusted comment). ``minisign -V`` reads it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cairn.errors import CairnError

KEY_ALGORITHM, PREHASHED = b"Ed", b"ED"
KEY_ID_BYTES, SIGNATURE_BYTES = 8, 64
UNTRUSTED, TRUSTED = "untrusted comment: ", "trusted comment: "


@dataclass(frozen=True)
class PublicKey:
    """A minisign public key: its number and the Ed25519 key."""

    key_id: bytes
    key: bytes

    @property
    def line(self) -> str:
        """The line that ``minisign -P`` takes."""
        return base64.b64encode(KEY_ALGORITHM + self.key_id + self.key).decode()

    @property
    def name(self) -> str:
        """The key's number as minisign prints it."""
        return self.key_id[::-1].hex().upper()

    def content(self) -> str:
        """The key's file."""
        return f"{UNTRUSTED}minisign public key {self.name}\n{self.line}\n"

    @classmethod
    def read(cls, text: str, where: str) -> PublicKey:
        """A key from a file's text or its one line. Raises CairnError."""
        line = [one for one in text.splitlines() if one.strip()][-1:] or [""]
        raw = _decoded(line[0], where)
        if len(raw) != len(KEY_ALGORITHM) + KEY_ID_BYTES + 32 or not raw.startswith(KEY_ALGORITHM):
            raise CairnError(f"{where}: no minisign public key: it is one line of 56 characters below a comment")
        return cls(raw[2:10], raw[10:])


@dataclass(frozen=True)
class SigningKey:
    """The district's key for feeds, from 32 secret bytes."""

    seed: bytes

    @property
    def public(self) -> PublicKey:
        """What is given to schools. The number is the first 8 bytes of the key's BLAKE2b."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return PublicKey(hashlib.blake2b(key).digest()[:KEY_ID_BYTES], key)

    def sign(self, content: bytes, trusted_comment: str) -> bytes:
        """The file ``NAME.minisig`` for ``NAME`` of that content. The trusted comment is signed too: one line."""
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        signature = private.sign(hashlib.blake2b(content).digest())
        both = private.sign(signature + trusted_comment.encode())
        first = base64.b64encode(PREHASHED + self.public.key_id + signature).decode()
        lines = (
            f"{UNTRUSTED}signature by Cairn, key {self.public.name}",
            first,
            f"{TRUSTED}{trusted_comment}",
            base64.b64encode(both).decode(),
        )
        return ("\n".join(lines) + "\n").encode()


def verify(content: bytes, signature: bytes, public: PublicKey, where: str) -> str:
    """The trusted comment of a signature that holds. Raises CairnError, naming ``where``, for one that does not."""
    lines = signature.decode("utf-8", "replace").splitlines()
    if len(lines) < 4 or not lines[2].startswith(TRUSTED):
        raise CairnError(f"{where}: no minisign signature: four lines are expected")
    raw, both, comment = _decoded(lines[1], where), _decoded(lines[3], where), lines[2].removeprefix(TRUSTED)
    algorithm, key_id, signed = raw[:2], raw[2:10], raw[10:]
    if algorithm != PREHASHED or len(signed) != SIGNATURE_BYTES:
        raise CairnError(f"{where}: signed in a way that Cairn does not use: expected a prehashed minisign signature")
    if key_id != public.key_id:
        raise CairnError(f"{where}: signed with key {key_id[::-1].hex().upper()}, not with {public.name}")
    key = Ed25519PublicKey.from_public_bytes(public.key)
    try:
        key.verify(signed, hashlib.blake2b(content).digest())
        key.verify(both, signed + comment.encode())
    except InvalidSignature as error:
        raise CairnError(f"{where}: the signature does not fit: the file or its signature was changed") from error
    return comment


def _decoded(line: str, where: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CairnError(f"{where}: a line is not base64: the file was changed or cut") from error
