"""A portal as it is really run: ``python -m portal.app`` in a process of its own, asked over a socket."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cairn.settings import REPOSITORY, Settings


@contextmanager
def served(settings: Settings, log: Path, **environment: str) -> Iterator[str]:
    """The address of a portal over a home, until the block ends; what it says goes to ``log``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    given = os.environ | {"CAIRN_HOME": str(settings.home), "PYTHONPATH": str(REPOSITORY)} | environment
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "portal.app", "--port", str(port)], env=given, stdout=out, stderr=out
        )
    try:
        for _ in range(300):
            try:
                httpx.get(f"{base}/health", trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)


# No test closes a browser.
CLOSED_AFTER_USE = httpx.Limits(max_keepalive_connections=0)


class Browser:
    """A browser: keeps cookies, and takes a form's token before it sends the form."""

    def __init__(self, base: str) -> None:
        self.client = httpx.Client(base_url=base, trust_env=False, timeout=60, limits=CLOSED_AFTER_USE)

    def token(self, page: str = "/login") -> str:
        """The token of the forms on a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.client.get(page).text)
        assert found is not None
        return found[1]

    def sign_in(self, name: str, password: str, forwarded: str | None = None, token: str | None = None) -> int:
        """Status of a try to sign in; 303 where it worked."""
        form = {"csrf": token or self.token(), "name": name, "password": password}
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return self.client.post("/login", data=form, headers=headers).status_code
