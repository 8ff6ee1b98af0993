"""Releases that are kept, why two of them differ, and the numbers as published on a day."""

from __future__ import annotations

from itertools import zip_longest

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.as_published import published_days
from answers.release_difference import Differences, told
from cairn.errors import CairnError
from cairn.language import gettext
from portal.web import guarded, portal_of, render
from releases import store

READERS = ("central_office", "engineer")
DIFFERENCES = Differences()


@guarded(*READERS)
def releases_page(request: Request, account: Account) -> Response:
    """Releases by kind, newest first, each with the one before it to compare with; days of published numbers."""
    portal = portal_of(request)
    current = {one.release_id for kind in store.KINDS if (one := store.current(portal.settings, kind))}
    kinds = []
    for kind in store.KINDS:
        kept = store.list_releases(portal.settings, kind)
        kinds.append((kind, list(zip_longest(kept, kept[1:]))))
    context = {
        "title": gettext("Releases"),
        "kinds": kinds,
        "current": current,
        "published": published_days(portal.settings),
    }
    return render(request, "releases.html", context, pinned=portal.reader.pin())


@guarded(*READERS)
def difference_page(request: Request, account: Account) -> Response:
    """Why two releases differ: reasons and tables; numbers and rows by key for engineers only."""
    portal = portal_of(request)
    before, after = request.path_params["before"], request.path_params["after"]
    is_engineer = account.role == "engineer"
    try:
        said = DIFFERENCES.between(portal.settings, before, after)
    except CairnError as error:
        raise HTTPException(404, "One of the two releases is not kept, or they are of different kinds.") from error
    context = {
        "title": gettext("From {before} to {after}").format(before=before, after=after),
        "before": before,
        "after": after,
        "found": told(said, is_engineer=is_engineer),
        "is_engineer": is_engineer,
    }
    return render(request, "difference.html", context, pinned=portal.reader.pin())
