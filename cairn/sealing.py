"""Sealing: bytes that only holders of the district's sealing key can read (AES-256-GCM, NIST SP 800-38D).

Used for originals of refused statements and for the vault's fields. Form of a sealed value: one byte of key version,
12 bytes of nonce, ciphertext with its tag.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cairn.errors import CairnError
from cairn.keys import load_or_create_key
from cairn.settings import Settings

KEY_VERSION = 1
NONCE_BYTES = 12


class Sealer:
    """Seals and opens byte strings under the district's sealing key, made on first use."""

    def __init__(self, settings: Settings) -> None:
        self._cipher = AESGCM(load_or_create_key(settings.keys_dir, f"sealing.v{KEY_VERSION}.key"))

    def seal(self, plain: bytes, context: bytes = b"") -> bytes:
        """Sealed form of ``plain``; ``context`` (such as a row's key) must be given again to open it."""
        nonce = os.urandom(NONCE_BYTES)
        return bytes([KEY_VERSION]) + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """The bytes that were sealed. Raises CairnError where key, context or content is not the one sealed with."""
        if len(sealed) < 1 + NONCE_BYTES or sealed[0] != KEY_VERSION:
            raise CairnError("a sealed value has an unknown form: it was cut, or sealed by a newer version")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], context)
        except InvalidTag as error:
            raise CairnError("a sealed value does not open: restore the key it was sealed with into keys/") from error
