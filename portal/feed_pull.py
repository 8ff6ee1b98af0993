"""Feeds for machines: a school's system fetches the sealed feed, or asks for its results by OneRoster, with a token.

The token is of one school and opens nothing else; it is no session, and a session opens nothing here. What leaves as a
file is encrypted to the school's key; a school without one finds nothing here but its results by sourcedId.
Resume: RFC 9110 ranges, with the file's SHA-256 as strong ETag (If-Range, If-None-Match).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from answers import feed_access, feed_folders
from answers.feed_access import Receipt, Token
from answers.gradebook import COLLECTIONS, records
from identity.disclosure_log import Disclosure, write_down
from portal.access_log import note, route_of
from portal.web import portal_of, public

Handler = Callable[[Request, Token, dict[str, Any]], Response]
FILES = (feed_folders.SEALED, feed_folders.MANIFEST, feed_folders.SIGNATURE, feed_folders.PUBLIC_KEY)
MOST_RECORDS, USUAL_RECORDS = 10_000, 100
SINCE = re.compile(r"dateLastModified(>=?)'([^']+)'")


def refused(request: Request, status: int, why: str, **headers: str) -> Response:
    """A refusal for a machine: one line of JSON, and a line in the log of refusals."""
    note(request, "refused", reason=f"{status}: {why}")
    return JSONResponse({"error": why}, status_code=status, headers=headers)


def with_token(handler: Handler) -> Callable[[Request], Response]:
    """A page for the bearer of one of the school's tokens; the handler gets the newest feed's manifest."""

    @public("a token of the school's feed opens it, and no session")
    @functools.wraps(handler)
    def page(request: Request) -> Response:
        settings, school_id = portal_of(request).settings, request.path_params["school_id"]
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = feed_access.token_of(settings, given.strip()) if scheme.lower() == "bearer" and given else None
        if token is None:
            client = request.client.host if request.client else "?"
            if not feed_access.may_ask(settings, f"wrong from {client}", feed_access.WRONG_A_MINUTE):
                return refused(request, 429, "too many wrong tokens: wait a minute", **{"Retry-After": "60"})
            return refused(request, 401, "a token of the school is needed", **{"WWW-Authenticate": "Bearer"})
        if token.school_id != school_id:
            return refused(request, 403, "the token is another school's")
        if not feed_access.may_ask(settings, f"token {token.token_id}", feed_access.REQUESTS_A_MINUTE):
            return refused(request, 429, "too many requests: wait a minute", **{"Retry-After": "60"})
        manifest = feed_folders.latest(settings, school_id)
        if manifest is None:
            return refused(request, 404, "no feed has been written for the school yet: it is written at 06:00")
        return handler(request, token, manifest)

    return page


@with_token
def pull_file(request: Request, token: Token, manifest: dict[str, Any]) -> Response:
    """The sealed feed, its manifest, signature or the district's public key; whole or from where it broke off."""
    settings, name = portal_of(request).settings, request.path_params["name"]
    feed = feed_folders.folder(settings, manifest["data_date"], token.school_id)
    path = feed / feed_folders.DELIVERY / name
    if name not in FILES:
        return refused(request, 404, f"there is no such file: there is {', '.join(FILES)}")
    if not path.exists():
        return refused(request, 409, "the school has no key: 'cairn feeds key add', then the next feed is here")
    sealed = feed_folders.read_manifest(feed / feed_folders.DELIVERY) or {}
    sums = {one["name"]: one["sha256"] for one in sealed.get("files", ())}
    etag = f'"{sums.get(name) or feed_folders.feed_id(feed)}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    after = None
    if name == feed_folders.SEALED and request.method == "GET":
        _disclose(request, token, manifest, feed, None, "school feed fetched")
        after = BackgroundTask(_fetched, request, token, manifest, feed, name)
    return FileResponse(path, headers={"ETag": etag}, background=after, media_type="application/octet-stream")


def _fetched(request: Request, token: Token, manifest: dict[str, Any], feed: Path, name: str) -> None:
    """The receipt, once the file was handed to the network; only one whose end was sent counts as the feed."""
    settings = portal_of(request).settings
    size = (feed / feed_folders.DELIVERY / name).stat().st_size
    asked = request.headers.get("range", "").strip()
    _receipt(request, token, manifest, feed, name, asked, size)
    if not asked or asked.endswith(("-", f"-{size - 1}")):
        feed_folders.remember_sent(settings, feed, token.school_id)


def _receipt(
    request: Request, token: Token, manifest: dict[str, Any], feed: Path, name: str, detail: str, size: int
) -> None:
    feed_access.write_receipt(
        portal_of(request).settings,
        Receipt(
            school_id=token.school_id,
            release_id=manifest["release_id"],
            data_date=manifest["data_date"],
            feed_id=feed_folders.feed_id(feed),
            way="pull",
            who=f"token {token.name}",
            file=name,
            outcome="fetched",
            detail=detail,
            bytes=size,
        ),
    )


def _disclose(
    request: Request, token: Token, manifest: dict[str, Any], feed: Path, name: str | None, purpose: str
) -> None:
    """Write down whom the answer is about, before it is given: of one file, or of all where ``name`` is None."""
    write_down(
        portal_of(request).settings,
        Disclosure(
            actor=f"feed token {token.name}",
            purpose=purpose,
            route=route_of(request),
            kind="feed",
            school_id=token.school_id,
            release_id=manifest["release_id"],
            student_keys=feed_folders.pupils_in(feed, name),
        ),
    )


@with_token
def gradebook(request: Request, token: Token, manifest: dict[str, Any]) -> Response:
    """A page of a collection of the OneRoster 1.2 Gradebook Service: results by sourcedId, no names."""
    settings, collection = portal_of(request).settings, request.path_params["collection"]
    if collection not in COLLECTIONS:
        return refused(request, 404, f"there is no such collection: there is {', '.join(COLLECTIONS)}")
    try:
        limit = min(int(request.query_params.get("limit", USUAL_RECORDS)), MOST_RECORDS)
        offset = int(request.query_params.get("offset", 0))
        wants = _wants(request.query_params.get("filter"), manifest["written_at"])
    except ValueError:
        return refused(request, 400, "limit and offset are numbers; filter is dateLastModified>'2026-10-14T00:00:00Z'")
    if limit < 1 or offset < 0:
        return refused(request, 400, "limit begins at 1, offset at 0")
    feed = feed_folders.folder(settings, manifest["data_date"], token.school_id)
    address = str(request.url.replace(query=""))
    base = address.removesuffix(f"/{collection}")
    package = feed / feed_folders.ONEROSTER
    found = records(package, collection, _instant(manifest["written_at"]), base) if wants else []
    page = found[offset : offset + limit]
    if collection == "results" and page:
        _disclose(request, token, manifest, feed, feed_folders.ONEROSTER, "results fetched by OneRoster")
        _receipt(request, token, manifest, feed, "gradebook/results", f"{offset}-{offset + len(page) - 1}", 0)
    headers = {"X-Total-Count": str(len(found))}
    if offset + limit < len(found):
        headers["Link"] = f'<{address}?limit={limit}&offset={offset + limit}>; rel="next"'
    return JSONResponse({collection: page}, headers=headers)


def _instant(text: str) -> str:
    """An instant as OneRoster writes it."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _wants(filter_text: str | None, written_at: str) -> bool:
    """Whether the feed's records pass the filter: all were last modified when it was written. Raises ValueError."""
    if filter_text is None:
        return True
    found = SINCE.fullmatch(filter_text.strip())
    if found is None:
        raise ValueError(filter_text)
    return datetime.fromisoformat(written_at) > datetime.fromisoformat(found[2].replace("Z", "+00:00"))
