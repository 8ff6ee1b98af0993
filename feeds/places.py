"""Putting a sealed feed into a place: a folder, an SFTP server, an S3-like store. A reader never sees half a feed.

In a folder and by SFTP the feed's folder is written under a hidden name and renamed when it is whole. A store of
objects knows no rename: there the signed manifest comes last, and a feed without it is not whole. What is there
already, whole, is left as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import asyncssh
from pyarrow import fs

from answers.feed_folders import MAKING, MANIFEST, SIGNATURE
from cairn.errors import CairnError
from feeds.ways import S3Place, Way
from loading.pickup.config import FolderPlace, SftpPlace
from loading.pickup.sftp import connect, start_client


def put(way: Way, feed: Path, name: str) -> None:
    """Deliver the files of ``feed`` as the folder ``name``. Raises CairnError, in words, where that fails."""
    # What makes a feed whole comes last, for readers who look at files one by one.
    last = (SIGNATURE, MANIFEST)
    files = [*sorted(path for path in feed.iterdir() if path.name not in last), *(feed / one for one in last)]
    try:
        if isinstance(way.place, FolderPlace):
            _into_folder(way.place.path, files, name)
        elif isinstance(way.place, SftpPlace):
            asyncio.run(_by_sftp(way.place, files, name))
        else:
            _into_store(way.place, files, name)
    except (OSError, asyncssh.Error) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise CairnError(f"{way.kind} {way.where}: the feed was not taken ({said})") from error


def _into_folder(folder: Path, files: Sequence[Path], name: str) -> None:
    if not folder.is_dir():
        raise CairnError(f"folder {folder}: there is no such folder: make it, or mount it, before feeds go there")
    target = folder / name
    if target.exists():
        return
    making = folder / f"{MAKING}{name}-{secrets.token_hex(4)}"
    making.mkdir()
    try:
        for path in files:
            shutil.copyfile(path, making / path.name)
        making.rename(target)
    finally:
        if making.exists():
            shutil.rmtree(making)


async def _by_sftp(place: SftpPlace, files: Sequence[Path], name: str) -> None:
    connection = await connect(place)
    try:
        client = await start_client(place, connection)
        folder = place.path.rstrip("/")
        if await client.exists(f"{folder}/{name}"):
            return
        making = f"{folder}/{MAKING}{name}-{secrets.token_hex(4)}"
        await client.mkdir(making)
        try:
            for path in files:
                await client.put(str(path), f"{making}/{path.name}")
            await client.rename(making, f"{folder}/{name}")
        except (OSError, asyncssh.Error):
            # Whatever goes wrong with clearing up, the reason is what went wrong before.
            with contextlib.suppress(OSError, asyncssh.Error):
                await client.rmtree(making)
            raise
    finally:
        connection.close()
        await connection.wait_closed()


def _into_store(place: S3Place, files: Sequence[Path], name: str) -> None:
    scheme, _, host = place.endpoint.rpartition("://")
    store = fs.S3FileSystem(
        access_key=place.key_id or None,
        secret_key=place.secret.read() if place.secret else None,
        region=place.region or None,
        endpoint_override=host or None,
        scheme=scheme or "https",
    )
    base = "/".join(part for part in (place.bucket, place.prefix, name) if part)
    for path in files:
        with store.open_output_stream(f"{base}/{path.name}") as stream:
            stream.write(path.read_bytes())
