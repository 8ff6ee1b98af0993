"""Which published numbers a page of the central office is asked for: those that stand, or those of ``?as-of=``."""

from __future__ import annotations

from datetime import date

from starlette.exceptions import HTTPException
from starlette.requests import Request

from answers.as_published import as_published
from answers.published_numbers import Numbers
from portal.web import portal_of


def asked_day(request: Request) -> date | None:
    """The day of ``?as-of=``; None where a page is asked as it is now. Raises HTTPException 404 for what is no day."""
    given = request.query_params.get("as-of")
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise HTTPException(404, "Write the day as YYYY-MM-DD, such as 2026-11-23.") from error


def numbers_of(request: Request) -> Numbers:
    """The published numbers that a page is asked for. Raises HTTPException 503 where the district's rules of what may
    be told cannot be read: they may have become stricter since."""
    portal = portal_of(request)
    portal.rules()
    return Numbers(as_published(portal.settings, asked_day(request)))
