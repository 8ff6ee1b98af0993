"""A real SSH server on the loopback with SFTP: one account by key or password, one folder, for tests."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

PASSWORD = "not-to-be-shown"


class _Accounts(asyncssh.SSHServer):
    """One account, district, with a password."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("district", PASSWORD)


@dataclass
class Server:
    """A running server. ``outgoing``: the folder that it shows as /outgoing; the rest is what a client needs."""

    port: int
    outgoing: Path
    known_hosts: Path
    client_key: Path


@contextmanager
def sftp_server(folder: Path) -> Iterator[Server]:
    """A server until the block ends, in a thread with a loop of its own; its files lie in ``folder``."""
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    (folder / "root" / "outgoing").mkdir(parents=True)
    (folder / "authorized").write_text(client_key.export_public_key().decode())
    client_key.write_private_key(str(folder / "client_key"))
    (folder / "client_key").chmod(0o600)
    ports: queue.Queue[int] = queue.Queue()
    ends: queue.Queue[Callable[[], object]] = queue.Queue()

    async def serve() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Accounts,
            server_host_keys=[host_key],
            authorized_client_keys=str(folder / "authorized"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder / "root").encode()),
        )

        ends.put(lambda: loop.call_soon_threadsafe(end.set))
        ports.put(acceptor.get_port())
        await end.wait()
        acceptor.close()
        await acceptor.wait_closed()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    port = ports.get(timeout=30)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    try:
        yield Server(port, folder / "root" / "outgoing", folder / "known_hosts", folder / "client_key")
    finally:
        ends.get()()
        thread.join(timeout=30)
