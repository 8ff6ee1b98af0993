"""The portal's processes: one, or several on one port (``portal_processes``), each watched over by their parent.

A process writes a beat from the loop that answers requests: one whose loop hangs is found by its silence and replaced,
as one that dies is. What processes share lies on disk (sessions, tries to sign in, disclosures, the signing secret).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from cairn.settings import Settings
from portal.access_log import log_to_standard_error
from portal.sign_in import session_secret
from streaming.several import BEAT_SECONDS, SILENT_SECONDS, Children, beat_path, end_with_parent

MODULE = "portal.app"
# What pages under way get to end, and what a process may take beyond that.
GRACE_SECONDS, END_SECONDS = 5, 10.0
COLLECTED_AFTER = (50_000, 20, 50)


@dataclass(frozen=True)
class Beat:
    """What one process of several last said of itself: its number, process, and whether that is not too long ago."""

    number: int
    pid: int
    beaten_at: datetime
    is_alive: bool


def beats_folder(settings: Settings) -> Path:
    """Where the processes write their beats."""
    return settings.stack_state_path.parent / "portal-beats"


def beats(settings: Settings) -> list[Beat]:
    """The processes of a portal that runs as several, by number; empty where it is one."""
    found = []
    for number in range(settings.portal_processes if settings.portal_processes > 1 else 0):
        path = beat_path(beats_folder(settings), MODULE, number)
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid, beaten_at = int(path.read_text(encoding="utf-8")), path.stat().st_mtime
            at = datetime.fromtimestamp(beaten_at, UTC)
            is_alive = (datetime.now(UTC) - at).total_seconds() < SILENT_SECONDS
            found.append(Beat(number, pid, at, is_alive))
    return found


class Beating(uvicorn.Server):
    """A server whose loop writes a beat while it runs."""

    def __init__(self, config: uvicorn.Config, path: Path) -> None:
        super().__init__(config)
        self._path = path

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, beating."""
        task = asyncio.create_task(self._beat())
        try:
            await super().serve(sockets)
        finally:
            task.cancel()

    async def _beat(self) -> None:
        pid = str(os.getpid())
        while True:
            self._path.write_text(pid, encoding="utf-8")
            await asyncio.sleep(BEAT_SECONDS)


def serve(make_app: Callable[[Settings, str], Starlette], about: str, arguments: list[str] | None = None) -> None:
    """Serve ``make_app(settings, host)`` on ``--port`` until SIGTERM, by as many processes as the settings say.

    The access log is off: addresses of pages hold keys of pupils. The server itself believes no proxy:
    ``trusted_proxies`` are believed by the application.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--socket", type=int, help="of a child: the socket that it inherits")
    parser.add_argument("--number", type=int, default=0, help="of a child: which one it is, from 0")
    given = parser.parse_args(arguments)
    log_to_standard_error()
    settings = Settings()
    folder = beats_folder(settings)
    if given.socket is None and settings.portal_processes > 1:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Made once, before each child would.
        session_secret(settings)
        children = Children(MODULE, settings.portal_processes, given.host, given.port, {}, folder)
        sys.exit(children.run(END_SECONDS))
    # Pages make many rows and drop them: looking for garbage less often is a part of the time of each.
    gc.set_threshold(*COLLECTED_AFTER)
    app = make_app(settings, given.host)
    app.state.snapshots.keep()
    app.state.ahead.keep()
    config = uvicorn.Config(
        app,
        host=given.host,
        port=given.port,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if given.socket is None:
        uvicorn.Server(config).run()
        return
    end_with_parent()
    Beating(config, beat_path(folder, MODULE, given.number)).run([socket.socket(fileno=given.socket)])
