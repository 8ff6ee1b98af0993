"""``cairn vault``: backup and restore of who is who, and a new key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Backup, restore and keys of who is who.", no_args_is_help=True)

PassphraseOption = Annotated[
    Path, typer.Option(help="File whose first line is the passphrase; keep it apart from the backup.")
]


@app.callback()
def group() -> None:
    """Backup, restore and keys of who is who."""


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    passphrase_file: PassphraseOption,
    as_json: JsonOption = False,
) -> None:
    """Write vault, disclosures, keys and the list of erasures into one sealed file, while all runs on.

    Back up the lake apart from it. Losing the keys means losing who did what.

    Example: cairn vault backup /backups/vault-2026-10-14 --passphrase-file /root/vault.passphrase
    """
    from cairn.settings import settings
    from identity import backup as made

    files = made.backup(settings(), file, _passphrase(passphrase_file))
    emit({"path": str(file), "files": files}, as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that vault backup wrote.")],
    passphrase_file: PassphraseOption,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of the vault that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back, then erase again who was erased since it was made. Stop the stack before.

    Example: cairn vault restore /backups/vault-2026-10-14 --passphrase-file /root/vault.passphrase
    """
    from cairn.settings import settings
    from feeds.erasure import Feeds
    from identity import backup as made
    from night import erasure

    restored = made.restore(settings(), file, _passphrase(passphrase_file), replace=replace)
    again = erasure.replay(settings(), [Feeds()])
    emit({"files": restored.files, "erased_again": [one.erasure_id for one in again]}, as_json)


@app.command("rotate-key")
def rotate_key(as_json: JsonOption = False) -> None:
    """Take a new key for identifiers into use; work under the old one stays joined. Restart gateway and live after it.

    Example: cairn vault rotate-key
    """
    from cairn.settings import settings
    from loading import rotate_key as rotate

    result = rotate(settings())
    say("restart the gateway and the live service: they hold the key that they began with")
    emit(result, as_json)


def _passphrase(path: Path) -> str:
    from cairn.errors import CairnError

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CairnError(f"{path} cannot be read ({error.strerror}): give a file with the passphrase") from error
    return lines[0].strip() if lines else ""
