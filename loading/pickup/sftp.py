"""An SFTP server as a place: SSH with a verified host key, a key or a password, one connection a run.

The user's own SSH configuration, agent and keys are left out: what is used stands in pickup.yaml.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from cairn.errors import BusyError, CairnError
from cairn.whole_file import check_private
from loading.pickup.config import PICKUP_FILE, SftpPlace
from loading.pickup.places import MOST_BYTES, Entry, Place, is_plain_name

CONNECT_SECONDS = 30
KEEPALIVE_SECONDS = 30


@contextmanager
def open_sftp(place: SftpPlace) -> Iterator[Place]:
    """The server's folder for one run. Raises CairnError, in words, for what SSH refuses on either side."""
    with asyncio.Runner() as runner:
        connection = runner.run(_connect(place))
        try:
            client = runner.run(_client(place, connection))
            yield _OpenSftp(runner, client, place)
        finally:
            connection.close()
            runner.run(connection.wait_closed())


async def _connect(place: SftpPlace) -> asyncssh.SSHClientConnection:
    where = f"sftp {place.host}:{place.port}"
    if not place.known_hosts.is_file():
        raise CairnError(
            f"{place.known_hosts}: there is no file of known hosts: write the server's key into it "
            f"(ssh-keyscan -p {place.port} {place.host}, compared with what its owner says)"
        )
    passphrase = place.passphrase.read() if place.passphrase else None
    try:
        return await asyncssh.connect(
            place.host,
            place.port,
            username=place.username,
            known_hosts=str(place.known_hosts),
            client_keys=_keys(place, passphrase),
            password=place.password.read() if place.password else None,
            config=None,
            agent_path=None,
            gss_host=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise CairnError(
            f"{where}: the server's key is not the one in {place.known_hosts}: nothing was sent; ask its owner whether "
            "the key has changed"
        ) from error
    except asyncssh.PermissionDenied as error:
        raise CairnError(f"{where}: the server takes neither key nor password of {place.username}") from error
    except (OSError, asyncssh.Error) as error:
        raise CairnError(f"{where}: no connection ({_words(error)})") from error


def _keys(place: SftpPlace, passphrase: str | None) -> list[asyncssh.SSHKey] | None:
    """The client's key; None, and not those of the user's home, where the district names none."""
    if place.client_key is None:
        return None
    check_private(place.client_key, PICKUP_FILE)
    try:
        return [asyncssh.read_private_key(str(place.client_key), passphrase)]
    except asyncssh.KeyImportError as error:
        raise CairnError(f"{place.client_key}: no SSH key can be read from it ({error})") from error


async def _client(place: SftpPlace, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    try:
        return await connection.start_sftp_client()
    except asyncssh.Error as error:
        raise CairnError(f"sftp {place.host}:{place.port}: the server offers no SFTP ({_words(error)})") from error


class _OpenSftp:
    """A folder on a server, over one connection."""

    def __init__(self, runner: asyncio.Runner, client: asyncssh.SFTPClient, place: SftpPlace) -> None:
        self._runner = runner
        self._client = client
        self._place = place

    def entries(self) -> list[Entry]:
        try:
            return self._runner.run(self._entries())
        except (OSError, asyncssh.Error) as error:
            raise self._failed(self._place.path, "cannot be looked into", error) from error

    def fetch(self, entry: Entry, target: Path) -> None:
        if entry.size_bytes > MOST_BYTES:
            raise CairnError(f"{entry.name}: over {MOST_BYTES >> 30} GiB: not fetched")
        try:
            now = self._runner.run(self._fetch(entry.name, target))
        except (OSError, asyncssh.Error) as error:
            raise self._failed(entry.name, "cannot be fetched", error) from error
        if now != entry or target.stat().st_size != entry.size_bytes:
            raise BusyError("it changed while it was fetched: the next run takes it")

    def remove(self, entry: Entry) -> None:
        try:
            self._runner.run(self._remove(entry))
        except asyncssh.SFTPNoSuchFile:
            return  # gone meanwhile
        except (OSError, asyncssh.Error) as error:
            raise self._failed(entry.name, "cannot be removed", error) from error

    async def _entries(self) -> list[Entry]:
        found = []
        async for one in self._client.scandir(self._place.path):
            name = one.filename if isinstance(one.filename, str) else one.filename.decode("utf-8", "replace")
            if is_plain_name(name) and one.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                found.append(_entry(name, one.attrs))
        return sorted(found, key=lambda entry: entry.name)

    async def _fetch(self, name: str, target: Path) -> Entry:
        await self._client.get(self._remote(name), str(target))
        return _entry(name, await self._client.stat(self._remote(name)))

    async def _remove(self, entry: Entry) -> None:
        if _entry(entry.name, await self._client.stat(self._remote(entry.name))) == entry:
            await self._client.remove(self._remote(entry.name))

    def _remote(self, name: str) -> str:
        return f"{self._place.path.rstrip('/')}/{name}"

    def _failed(self, what: str, how: str, error: Exception) -> CairnError:
        return CairnError(f"sftp {self._place.host}:{self._place.port}: {what} {how} ({_words(error)})")


def _entry(name: str, attributes: asyncssh.SFTPAttrs) -> Entry:
    size = attributes.size or 0
    return Entry(name, f"1:{size}:{attributes.mtime or 0}", size)


def _words(error: Exception) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
