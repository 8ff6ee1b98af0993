"""Where today's feed of a school could not be written: its last one stands in for it, labelled, under today's date."""

from __future__ import annotations

import hashlib
import html
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from answers import feed_access, feed_folders, wording
from cairn.settings import Settings
from feeds.school_folder import ACTOR, PAGE, finish
from feeds.signed import signing_key, write_private
from identity.disclosure_log import Disclosure, write_down


def carry_over(settings: Settings, school_id: str, data_date: date) -> bool:
    """Put the school's newest feed of an earlier day under this day, labelled old; whether there is a feed now."""
    target = feed_folders.folder(settings, data_date.isoformat(), school_id)
    if feed_folders.read_manifest(target) is not None:
        return True  # an earlier one of the same day stands
    manifest = feed_folders.latest(settings, school_id)
    if manifest is None:
        return False
    source = feed_folders.folder(settings, manifest["data_date"], school_id)
    shown = wording.day(date.fromisoformat(manifest["shown_data_date"]))
    relabelled = manifest | {
        "data_date": data_date.isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "is_old": True,
        "label": f"Today's feed could not be written. This is the answer of {shown}.",
    }
    write_down(
        settings,
        Disclosure(
            actor=ACTOR,
            purpose="last school feed in place of one that failed",
            kind="feed",
            student_keys=feed_folders.pupils_in(source, None),
            school_id=school_id,
            release_id=manifest["release_id"],
        ),
    )
    with feed_folders.replacing(target) as making:
        shutil.copytree(source, making, dirs_exist_ok=True, ignore=shutil.ignore_patterns(feed_folders.DELIVERY))
        _label_page(making, relabelled)
        keys = feed_access.keys_of(settings, school_id).get(school_id, [])
        finish(making, relabelled, signing_key(settings), keys)
    return True


def _label_page(making: Path, manifest: dict[str, Any]) -> None:
    """Say on the page to print, before all else, that it stands in for today's."""
    said = f"<body>\n<p><strong>{html.escape(manifest['label'])}</strong></p>"
    page = (making / PAGE).read_text(encoding="utf-8").replace("<body>", said, 1).encode()
    write_private(making / PAGE, page)
    told = {"bytes": len(page), "sha256": hashlib.sha256(page).hexdigest()}
    manifest["files"] = [one | told if one["name"] == PAGE else one for one in manifest["files"]]
