"""The morning mail to each school's leaders: counts only, no pupil's name, and a link to the page."""

from __future__ import annotations

import json
import smtplib
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

from answers import feed_folders, wording
from answers.accounts import Account, list_accounts
from answers.as_published import rules_of
from answers.metrics import metrics
from cairn.errors import CairnError
from cairn.protection.rules import Rules
from cairn.settings import Settings

SENDER = "Cairn <cairn@localhost>"
TIMEOUT_SECONDS = 10
SENT = ".sent.json"


def compose(manifest: dict[str, Any], account: Account, portal: str, rules: Rules) -> EmailMessage:
    """The mail of one feed to one leader. ``portal`` is the portal's address, ending in a slash; ``rules`` are those of
    numbers that anybody may read: mail lies open on its way, so that no number in it is of a few."""
    needs = f"{_told(manifest, 'needs_adult_pupils', rules)} need"
    moves = f"{_told(manifest, 'moves_on_pupils', rules)} move"
    lines = [
        f"{manifest['school_name']}, data of {wording.day(manifest['data_date'])}",
        "",
        *([manifest["label"], ""] if manifest["label"] else []),
        f"{needs} an adult.",
        f"{moves} on.",
        f"{_told(manifest, 'changes', rules)} changed state.",
        f"{_told(manifest, 'groups', rules)} would help.",
        "",
        f"Who, and on what: {portal}schools/{manifest['school_id']}",
        f"Files: {portal}schools/{manifest['school_id']}/feed",
        "",
        f"Release {manifest['release_id']}. This mail names no pupil; the page does, after signing in.",
    ]
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = account.mail
    message["Subject"] = f"{manifest['school_name']}: {needs} an adult ({wording.short_day(manifest['data_date'])})"
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{manifest['release_id']}.{account.account_id}@cairn.localhost>"
    message.set_content("\n".join(lines) + "\n")
    return message


def _told(manifest: dict[str, Any], metric: str, rules: Rules) -> str:
    """A number of the feed with its unit, rounded and never of a few: ``about 40 pupils``, ``under 10 pupils``."""
    cell = rules.count(manifest["counts"][metric])
    about = "about " if cell.value and cell.low != cell.high else ""
    return metrics()[metric].counted(f"{about}{cell.text}")


def send(settings: Settings, data_date: str | None = None, again: bool = False) -> dict[str, Any]:
    """Mail every school's leaders the newest feed, or that of ``data_date``; returns ``sent, schools, skipped``.

    A mail that went out for a release is not sent again unless ``again``. Raises CairnError where there is no feed
    or no mail server answers.
    """
    days = sorted(path.name for path in settings.feeds_dir.glob("[0-9]*")) if settings.feeds_dir.is_dir() else []
    day = data_date or (days[-1] if days else None)
    manifests = feed_folders.schools_of(settings, day) if day else []
    if day is None or not manifests:
        raise CairnError(f"no feed of {data_date or 'any day'} in {settings.feeds_dir}: run 'cairn feeds write' first")
    portal, rules = _portal(settings), rules_of(settings)
    marker = settings.feeds_dir / day / SENT
    gone = set(json.loads(marker.read_text())) if marker.exists() and not again else set()
    letters = [
        compose(manifest, account, portal, rules)
        for manifest in manifests
        for account in list_accounts(settings, manifest["school_id"])
    ]
    fresh = [letter for letter in letters if letter["Message-ID"] not in gone]
    if fresh:
        _deliver(settings, fresh, marker, gone)
    reached = {
        account.school_id for manifest in manifests for account in list_accounts(settings, manifest["school_id"])
    }
    return {"sent": len(fresh), "schools": len(reached), "skipped": len(letters) - len(fresh), "data_date": day}


def _portal(settings: Settings) -> str:
    """The portal's address, ending in a slash; a bare path where the stack is down."""
    try:
        return settings.address("portal").rstrip("/") + "/"
    except LookupError:
        return "/"


def _deliver(settings: Settings, letters: list[EmailMessage], marker: Path, gone: set[str]) -> None:
    """Hand letters to the mail server, noting each as it is taken, so that a failure repeats none."""
    try:
        host, _, port = settings.address("mail").removeprefix("smtp://").rstrip("/").rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_SECONDS) as server:
            for letter in letters:
                server.send_message(letter)
                gone.add(str(letter["Message-ID"]))
    except LookupError as error:
        raise CairnError(str(error)) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise CairnError(
            f"the mail server did not take the mail ({type(error).__name__}): see 'cairn status'"
        ) from error
    finally:
        marker.touch(mode=0o600)
        marker.chmod(0o600)  # one from before was everybody's to read
        marker.write_text(json.dumps(sorted(gone)))
