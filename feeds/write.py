"""Write the schools' feeds from the current release; a school that fails stops no other, and keeps its last feed."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from typing import Any

from answers.pinned_releases import Opened, Reader, open_release
from answers.school_answers import load_school
from answers.school_trust import current_age
from cairn.errors import CairnError
from cairn.settings import Settings
from feeds.carried import carry_over
from feeds.school_folder import Morning, write_school
from releases import store as releases

LOG = logging.getLogger("cairn.feeds")
Progress = Callable[[int, int], None]
# School, files written, and why not where it failed.
Written = tuple[str, int, str]
# From here on starting processes pays.
MANY_SCHOOLS = 12
_MORNING: Morning | None = None


def write(
    settings: Settings,
    school: str | None = None,
    data_date: date | str | None = None,
    on_school: Progress | None = None,
) -> dict[str, Any]:
    """Write the feed of one school or of all; returns ``schools``, ``files`` (counts), ``path`` and ``failed``.

    ``data_date`` picks the newest release of that day instead of the current one; ``on_school`` is told how many are
    done, of how many. ``failed``: schools whose feed could not be written, why, and whether their last one stands in
    for it, labelled. Raises CairnError where nothing was published, there is no such school, or every school failed.
    """
    release = _release(settings, data_date)
    known = [row["school_id"] for row in release.rows("select school_id from mart_school order by school_id")]
    if school is not None and school not in known:
        raise CairnError(
            f"no school {school!r} in release {release.release_id}: see 'select school_id from mart_school'"
        )
    wanted = [school] if school is not None else known
    files, failed = 0, []
    for done, (school_id, written, why) in enumerate(_each(settings, release, wanted), start=1):
        files += written
        if why:
            has_last = carry_over(settings, school_id, release.data_date)
            failed.append({"school_id": school_id, "why": why, "last_feed_stands_in": has_last})
        if on_school:
            on_school(done, len(wanted))
    if len(failed) == len(wanted):
        raise CairnError(f"no feed could be written: {failed[0]['school_id']}: {failed[0]['why']}")
    path = settings.feeds_dir / release.data_date.isoformat()
    return {
        "schools": len(wanted) - len(failed),
        "files": files,
        "path": str(path),
        "release_id": release.release_id,
        "failed": failed,
    }


def _each(settings: Settings, release: Opened, school_ids: list[str]) -> Iterator[Written]:
    """Write each school's feed: many schools in several processes, since one fills one core."""
    if len(school_ids) < MANY_SCHOOLS:
        _begin(settings, release.release_id)
        yield from map(_one, school_ids)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn, _begin, (settings, release.release_id)) as pool:
        yield from pool.map(_one, school_ids)


def _begin(settings: Settings, release_id: str) -> None:
    """What this process needs of the morning, read once."""
    global _MORNING
    (found,) = (one for one in releases.list_releases(settings, "learning") if one.release_id == release_id)
    release = open_release(settings, found)
    _MORNING = Morning.of(settings, release, current_age(settings, release.data_date))


def _one(school_id: str) -> Written:
    """One school's feed: how many files, or why not."""
    assert _MORNING is not None  # _begin has run in this process
    try:
        view = load_school(_MORNING.release, school_id)
        assert view is not None  # it is in mart_school
        return school_id, write_school(_MORNING, view), ""
    except Exception as error:  # whatever it is, the other schools get theirs, and this one is told
        LOG.exception("the feed of school %s could not be written", school_id)
        return school_id, 0, str(error) if isinstance(error, CairnError) else type(error).__name__


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
