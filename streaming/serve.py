"""One way to run an ASGI application of this folder as a service of the stack."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

import uvicorn

from cairn.settings import Settings

GRACE_SECONDS = 10


def serve(make_app: Callable[[Settings], Any], about: str, arguments: list[str] | None = None) -> None:
    """Serve the application on ``--port`` until SIGTERM; requests under way get ``GRACE_SECONDS`` to end."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A client that waits for a broker would write a line a retry.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    uvicorn.run(
        make_app(Settings()),
        host=given.host,
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
    )
