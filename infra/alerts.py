"""What is said when something is wrong: lines in ``home/logs/alerts.log`` (``cairn logs alerts``), and a mail."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

from cairn.settings import Settings

SENDER = "Cairn <cairn@localhost>"
TIMEOUT_SECONDS = 10


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as log:
        log.write(line + "\n")


async def run_is_late(advice: str, context: dict[str, Any] | None = None) -> str:
    """Called by Airflow's triggerer for a run that missed its deadline; returns the line it wrote."""
    run = (context or {}).get("dag_run") or {}
    what = f"{run.get('dag_id', 'a DAG')} ({run.get('dag_run_id', 'run unknown')})"
    line = f"{datetime.now(UTC).isoformat(timespec='seconds')} LATE {what} missed its deadline: {advice}"
    await asyncio.to_thread(_append, Settings().logs_dir / "alerts.log", line)
    return line


def note(settings: Settings, lines: Sequence[str], at: datetime) -> None:
    """Write lines to the log of alerts, each with the instant."""
    if lines:
        stamp = at.astimezone(UTC).isoformat(timespec="seconds")
        _append(settings.logs_dir / "alerts.log", "\n".join(f"{stamp} {line}" for line in lines))


def mail(settings: Settings, to: Sequence[str], lines: Sequence[str]) -> bool:
    """One mail with the lines to each address; whether the mail server took it (or there is nobody to tell).

    The lines name no person and no small count: their writer sees to that. Each goes to one address, so that nobody
    reads who else is told.
    """
    if not to:
        return True
    try:
        host, _, port = settings.address("mail").removeprefix("smtp://").rstrip("/").rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_SECONDS) as server:
            for address in to:
                server.send_message(_letter(address, lines))
    except (LookupError, OSError, smtplib.SMTPException, ValueError):
        return False
    return True


def _letter(address: str, lines: Sequence[str]) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"] = SENDER, address
    letter["Subject"] = f"Cairn intake: {lines[0][:60]}" if len(lines) == 1 else f"Cairn intake: {len(lines)} changes"
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid(domain="cairn.localhost")
    after = "What each means and what to do: docs/how-to/intake-alarms.md. 'cairn intake watch' shows what stands now."
    letter.set_content("\n".join([*lines, "", after]) + "\n")
    return letter
