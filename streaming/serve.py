"""One way to run an ASGI application of this folder as a service of the stack."""

from __future__ import annotations

import argparse
import logging
import shutil
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from cairn.settings import Settings
from streaming.metrics import SHARED_FOLDER
from streaming.several import Children, end_with_parent

GRACE_SECONDS = 10
# What a child may take to end behind its requests: what is queued is committed.
END_SECONDS = GRACE_SECONDS + 20


def serve(
    make_app: Callable[[Settings, int], Any],
    about: str,
    arguments: list[str] | None = None,
    module: str = "",
    processes: Callable[[Settings], int] = lambda _settings: 1,
) -> None:
    """Serve the application on ``--port`` until SIGTERM; requests under way get ``GRACE_SECONDS`` to end.

    ``make_app`` takes the settings and the number of the process, 0 where there is one. Where ``processes`` are more
    than one, this process holds the port and runs so many of ``module``, each with a number of its own.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--socket", type=int, help="of a child: the socket that it inherits")
    parser.add_argument("--number", type=int, default=0, help="of a child: which one it is, from 0")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A client that waits for a broker would write a line a retry.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    settings = Settings()
    if given.socket is None and (wanted := processes(settings)) > 1:
        counts = settings.stack_state_path.parent / f"{module}-counts"
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir(parents=True)
        children = Children(module, wanted, given.host, given.port, {SHARED_FOLDER: str(counts)})
        sys.exit(children.run(END_SECONDS))
    inherited = None
    if given.socket is not None:
        end_with_parent()
        inherited = [socket.socket(fileno=given.socket)]
    config = uvicorn.Config(
        make_app(settings, given.number),
        host=given.host,
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
    )
    uvicorn.Server(config).run(inherited)
