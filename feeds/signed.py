"""A feed's folder signed and checked: its manifest names every file with its sum, the signature holds the manifest."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from answers.feed_folders import DELIVERY, MANIFEST, PEOPLE, PUBLIC_KEY, PUPILS, SIGNATURE, STANDING
from cairn.errors import CairnError
from cairn.keys import load_or_create_key
from cairn.settings import Settings
from feeds.minisign import PublicKey, SigningKey, verify

KEY_FILE = "feeds-signing.key"
# The district's own in its copy: neither signed nor handed out.
OURS = frozenset({PUPILS, PEOPLE, STANDING, DELIVERY})
# What a folder holds beside the files that its manifest names.
BESIDE = frozenset({MANIFEST, SIGNATURE, PUBLIC_KEY})


def signing_key(settings: Settings) -> SigningKey:
    """The district's key, made on first use; it lies with the other keys and goes into the same backup."""
    return SigningKey(load_or_create_key(settings.keys_dir, KEY_FILE))


def write_private(path: Path, content: bytes) -> None:
    """A file for its owner only."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def write_manifest(folder: Path, manifest: dict[str, Any], key: SigningKey) -> None:
    """Manifest, public key and signature, the signature last: a folder without one is not whole."""
    content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    comment = f"{manifest['school_id']} {manifest['data_date']} {manifest['release_id']} {manifest['written_at']}"
    write_private(folder / MANIFEST, content)
    write_private(folder / PUBLIC_KEY, key.public.content().encode())
    write_private(folder / SIGNATURE, key.sign(content, " ".join(comment.split())))


def entry(folder: Path, name: str, content: bytes, **more: Any) -> dict[str, Any]:
    """Write a file and return its line in the manifest."""
    path = folder / name
    if not path.parent.is_dir():
        for parent in [*path.relative_to(folder).parents][-2::-1]:
            (folder / parent).mkdir(exist_ok=True, mode=0o700)  # "parents=True" would open those above to everybody
    write_private(path, content)
    return {"name": name, **more, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def check(folder: Path, public: PublicKey) -> dict[str, Any]:
    """The manifest of a folder that is whole and as it was signed.

    Raises CairnError naming the file that was changed, is missing or was put in.
    """
    try:
        content, signature = (folder / MANIFEST).read_bytes(), (folder / SIGNATURE).read_bytes()
    except FileNotFoundError as error:
        raise CairnError(f"{error.filename}: is missing: a feed without it is not whole") from error
    comment = verify(content, signature, public, str(folder / SIGNATURE))
    manifest = json.loads(content)
    named = {one["name"]: one for one in manifest["files"]}
    for name, one in named.items():
        path = folder / name
        if not path.is_file():
            raise CairnError(f"{path}: is missing: the signed manifest names it")
        if hashlib.sha256(path.read_bytes()).hexdigest() != one["sha256"]:
            raise CairnError(f"{path}: was changed: its SHA-256 is not the one in the signed manifest")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in named and name not in BESIDE and name.split("/")[0] not in OURS:
            raise CairnError(f"{path}: was put in: the signed manifest does not name it")
    return {"manifest": manifest, "comment": comment, "files": len(named)}
