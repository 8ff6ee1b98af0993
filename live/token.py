"""The word by which the portal is known to the live service: a key file of the home, readable by its owner only."""

from __future__ import annotations

import hmac

from cairn.keys import load_or_create_key
from cairn.settings import Settings

SCHEME = "Bearer "


def live_token(settings: Settings) -> str:
    """The token, made on first use, the same for every process of the home."""
    return load_or_create_key(settings.keys_dir, "live.key").hex()


def is_ours(settings: Settings, header: bytes | None) -> bool:
    """Whether an Authorization header carries the home's token."""
    wanted = (SCHEME + live_token(settings)).encode()
    return header is not None and hmac.compare_digest(header, wanted)
