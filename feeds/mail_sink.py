"""A mail server for one machine: ``python -m feeds.mail_sink --port P`` keeps what it is given in ``home/mail``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from cairn.settings import Settings

HOST = "127.0.0.1"


class Keep:
    """Writes each message to its own file; the name tells when it came, not to whom."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by the SMTP server for each message."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        part = self._folder / f".{name}"
        part.touch(mode=0o600)
        part.write_bytes(envelope.original_content)
        part.rename(self._folder / f"{name}.eml")
        return "250 OK"


async def serve(folder: Path, port: int, stop: asyncio.Event) -> None:
    """Listen until ``stop`` is set."""
    keep = Keep(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(keep, hostname="cairn.localhost", enable_SMTPUTF8=True), HOST, port
    )
    async with server:
        await stop.wait()


async def _main(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(folder, port, stop)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="Keep mails of the local stack in home/mail.")
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_main(Settings().home / "mail", parser.parse_args().port))


if __name__ == "__main__":
    main()
