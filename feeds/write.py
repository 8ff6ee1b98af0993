"""Write the schools' feeds from the current release: files, a page to print, a manifest with counts and sums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from answers import feed_folders, wording
from answers.pinned_releases import Opened, Reader, open_release
from answers.pupil_names import look_up
from answers.school_answers import SchoolView, load_school, pupils
from answers.school_trust import Age, current_age
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.teacher_words import load_teacher_words
from feeds.page import feed_page
from feeds.school_files import FeedFile, feed_files
from releases import store as releases

Progress = Callable[[int, int], None]
ACTOR = "feeds"
PAGE = "feed.html"


def write(
    settings: Settings,
    school: str | None = None,
    data_date: date | str | None = None,
    on_school: Progress | None = None,
) -> dict[str, Any]:
    """Write the feed of one school or of all; returns ``schools``, ``files`` (counts) and ``path``.

    ``data_date`` picks the newest release of that day instead of the current one; ``on_school`` is told how many are
    done, of how many. Raises CairnError where nothing was published or there is no such school.
    """
    release = _release(settings, data_date)
    known = [row["school_id"] for row in release.rows("select school_id from mart_school order by school_id")]
    if school is not None and school not in known:
        raise CairnError(
            f"no school {school!r} in release {release.release_id}: see 'select school_id from mart_school'"
        )
    age = current_age(settings, release.data_date)
    wanted = [school] if school is not None else known
    files = 0
    for done, school_id in enumerate(wanted, start=1):
        view = load_school(release, school_id)
        assert view is not None  # it is in mart_school
        files += write_school(settings, release, view, age)
        if on_school:
            on_school(done, len(wanted))
    path = settings.feeds_dir / release.data_date.isoformat()
    return {"schools": len(wanted), "files": files, "path": str(path), "release_id": release.release_id}


def _release(settings: Settings, data_date: date | str | None) -> Opened:
    """The current learning release, or the newest of a day."""
    if data_date is None:
        release = Reader(settings).current("learning")
        if release is None:
            raise CairnError("nothing has been published yet: run a night first, with 'cairn night run'")
        return release
    wanted = data_date if isinstance(data_date, date) else date.fromisoformat(data_date)
    found = [one for one in releases.list_releases(settings, "learning") if one.data_date == wanted]
    if not found:
        raise CairnError(f"no learning release of {wanted}: see 'cairn marts releases'")
    return open_release(settings, found[0])


def label(view: SchoolView, age: Age) -> str | None:
    """What the feed says of itself where it is not today's: held back, or old."""
    if view.school["is_held_back"]:
        reason = view.school["held_reason"] or "a check failed"
        shown = wording.day(view.data_date)
        return f"Held back: the newest data did not pass a check ({reason}). This is the answer of {shown}."
    return age.label if age.is_old else None


def write_school(settings: Settings, release: Opened, view: SchoolView, age: Age) -> int:
    """One school's folder, swapped in whole; returns how many files. The names in it are logged as one disclosure."""
    school_id = view.school["school_id"]
    names = look_up(
        settings,
        view.student_keys | view.teacher_keys,
        actor=ACTOR,
        purpose="nightly school feed",
        kind="feed",
        school_id=school_id,
        release_id=release.release_id,
    )
    files = feed_files(view, names, settings.zone, load_teacher_words(settings))
    manifest: dict[str, Any] = {
        "school_id": school_id,
        "school_name": view.school["school_name"],
        "release_id": release.release_id,
        "data_date": release.data_date.isoformat(),
        "shown_data_date": view.data_date.isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "is_held_back": bool(view.school["is_held_back"]),
        "is_old": age.is_old,
        "label": label(view, age),
        "counts": counts(view),
    }
    page = feed_page(view, names, manifest, words_of_day=wording.day(view.data_date))
    with feed_folders.replacing(feed_folders.folder(settings, release.data_date.isoformat(), school_id)) as making:
        entries = [_save(making, file.name, file.content(), file) for file in files]
        entries.append(_save(making, PAGE, page, None, pupils_named=len(view.student_keys)))
        named = {file.name: sorted(file.pupils) for file in files} | {PAGE: sorted(view.student_keys)}
        _write(making / feed_folders.PUPILS, json.dumps(named).encode())
        everybody = sorted(view.student_keys | view.teacher_keys)
        _write(making / feed_folders.PEOPLE, json.dumps(everybody).encode())
        content = json.dumps(manifest | {"files": entries}, indent=2, ensure_ascii=False)
        _write(making / feed_folders.MANIFEST, content.encode())
    return len(entries) + 1


def counts(view: SchoolView) -> dict[str, int]:
    """The numbers of a feed: the same as on the page."""
    return {
        "needs_adult_pupils": pupils(view.needs_adult),
        "needs_adult": len(view.needs_adult),
        "moves_on_pupils": pupils(view.moves_on),
        "moves_on": len(view.moves_on),
        "changes": len(view.changes),
        "classes": len(view.classes),
        "groups": len(view.groups),
    }


def _save(folder: Path, name: str, content: bytes, file: FeedFile | None, pupils_named: int = 0) -> dict[str, Any]:
    """Write a file and return its line in the manifest."""
    _write(folder / name, content)
    return {
        "name": name,
        "about": file.about if file else "The five answers on a page to print",
        "rows": len(file.rows) if file else None,
        "pupils": len(file.pupils) if file else pupils_named,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _write(path: Path, content: bytes) -> None:
    """A file for its owner only."""
    path.touch(mode=0o600)
    path.write_bytes(content)
