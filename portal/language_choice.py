"""In which language a page is: the person's choice, kept in the session, else what the browser asks for."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cairn.language import LANGUAGES, speaking, wanted
from portal.web import LANGUAGE, public, safe_next


class Languages:
    """Speaks the language of each request while it is answered; stands inside the session's middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with speaking(asked(scope)):
            await self.app(scope, receive, send)


def asked(scope: Scope) -> str:
    """The language of a request; the browser's where the session was not read."""
    chosen = scope.get("session", {}).get(LANGUAGE)
    return chosen if chosen in LANGUAGES else wanted(Headers(scope=scope).get("accept-language", ""))


@public("chooses the language of the pages for this browser")
def choose(request: Request) -> Response:
    """Keep the language and go back to the page. Raises HTTPException 404 for a language that there is not."""
    code = request.path_params["code"]
    if code not in LANGUAGES:
        raise HTTPException(404, "There is no such page.")
    request.session[LANGUAGE] = code
    return RedirectResponse(safe_next(request.query_params.get("next")), status_code=303)
