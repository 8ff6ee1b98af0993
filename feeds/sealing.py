"""What leaves for a school: the whole feed as one zip, encrypted to the school's key (age), with a signed manifest.

Format: age v1 (https://age-encryption.org/v1), by pyrage; ``age -d -i KEY feed.zip.age`` reads it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage

from answers.feed_folders import DELIVERY, ONEROSTER, SEALED
from cairn.errors import CairnError
from feeds.minisign import SigningKey
from feeds.signed import BESIDE, entry, write_manifest


def recipient(line: str) -> Any:
    """A public key as age takes it: ``age1...``, or an SSH key (Ed25519 or RSA). Raises CairnError."""
    kinds = (pyrage.ssh.Recipient,) if line.startswith("ssh-") else (pyrage.x25519.Recipient,)
    for kind in kinds:
        try:
            return kind.from_str(line)
        except (pyrage.RecipientError, ValueError):
            break
    secret = " (this is a secret key: make the public one of it)" if line.upper().startswith("AGE-SECRET-KEY") else ""
    raise CairnError(f"the key is none that age encrypts to{secret}: give a line age1..., ssh-ed25519 or ssh-rsa")


def recipients_in(text: str, where: str) -> list[str]:
    """The keys in a file, one a line, '#' begins a comment. Raises CairnError naming the line; never shows it."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                recipient(line.strip())
            except CairnError as error:
                raise CairnError(f"{where}, line {number}: {error}") from error
            found.append(line.strip())
    if not found:
        raise CairnError(f"{where}: there is no key in it: a line age1..., ssh-ed25519 or ssh-rsa")
    return found


def seal(folder: Path, manifest: dict[str, Any], keys: Sequence[str], signing: SigningKey) -> None:
    """Put the sealed feed beside the feed: ``.delivery`` holds it with a manifest of its own, signed."""
    content = io.BytesIO()
    names = [one["name"] for one in manifest["files"]]
    with zipfile.ZipFile(content, "w") as archive:
        for name in (*names, *sorted(BESIDE)):
            info = zipfile.ZipInfo.from_file(folder / name, name)
            # A package is compressed already.
            how = zipfile.ZIP_STORED if name.endswith(ONEROSTER) else zipfile.ZIP_DEFLATED
            archive.writestr(info, (folder / name).read_bytes(), how, compresslevel=1)
    sealed = pyrage.encrypt(content.getvalue(), [recipient(key) for key in keys])
    target = folder / DELIVERY
    target.mkdir(mode=0o700)
    kept = ("school_id", "release_id", "data_date", "shown_data_date", "written_at", "is_old", "label")
    about = {name: manifest[name] for name in kept}
    files = [entry(target, SEALED, sealed, about="The feed, encrypted to the school's key: age -d -i KEY feed.zip.age")]
    write_manifest(target, about | {"files": files}, signing)
