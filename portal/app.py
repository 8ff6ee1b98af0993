"""The portal: ``python -m portal.app --port P``. Server-rendered pages that need no script."""

from __future__ import annotations

import argparse
import hashlib
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairn.settings import Settings
from portal import pages_operations, pages_pilots, pages_rollout, pages_school, pages_session, pages_student
from portal.accounts import session_secret
from portal.reads import Reader
from portal.web import HERE, Portal, current_account, make_environment, render

SESSION_SECONDS = 12 * 60 * 60
# Pages: nothing but our own style sheet and pictures. Reports of other tools bring their own scripts.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data:; frame-ancestors 'none'"
REPORT_PATHS = ("/operations/data-docs/", "/operations/dbt-docs/")


class SecurityHeaders:
    """Headers on every answer; pages with pupils' names stay in no cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = REPORT_POLICY if path.startswith(REPORT_PATHS) else POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cache-Control"] = "max-age=3600" if path.startswith("/static/") else "no-store"
            await send(message)

        await self.app(scope, receive, send_with_headers)


def error_page(request: Request, error: Exception) -> Response:
    """A refusal or failure in the portal's own frame; nothing of the request is repeated."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Something failed here. It is in the portal's log."
    phrase = HTTPStatus(status).phrase
    if detail == phrase:
        detail = {404: "There is no such page.", 405: "This page cannot be asked that way."}.get(status, phrase)
    if "session" in request.scope and not hasattr(request.state, "account"):
        request.state.account = current_account(request)
    title = {403: "Not allowed", 404: "Not found", 503: "Not yet"}.get(status, phrase)
    return render(request, "error.html", {"title": title, "detail": detail}, status_code=status)


def failure(request: Request, error: Exception) -> Response:
    """An error of ours, outside the session's middleware: plain and short."""
    return Response("Something failed here. It is in the portal's log.", status_code=500, media_type="text/plain")


def favicon(request: Request) -> Response:
    """Browsers ask for it unasked."""
    return RedirectResponse("/static/cairn.svg", status_code=301)


def routes() -> list[Route | Mount]:
    """Every address of the portal."""
    return [
        Route("/", pages_session.home),
        Route("/health", pages_session.health),
        Route("/login", pages_session.login_page, methods=["GET"]),
        Route("/login", pages_session.login_submit, methods=["POST"]),
        Route("/logout", pages_session.logout_page, methods=["GET"]),
        Route("/logout", pages_session.logout_submit, methods=["POST"]),
        Route("/schools/{school_id}", pages_school.school_page),
        Route("/schools/{school_id}/feed", pages_school.feed_page),
        Route("/schools/{school_id}/feed/{name}", pages_school.feed_file),
        Route("/students/{student_key}", pages_student.student_page),
        Route("/pilots", pages_pilots.pilots_page),
        Route("/pilots/{pilot_id}.pdf", pages_pilots.pilot_pdf),
        Route("/pilots/{pilot_id}", pages_pilots.pilot_page),
        Route("/pilots/{pilot_id}/decision", pages_pilots.decide, methods=["POST"]),
        Route("/rollout", pages_rollout.rollout_page),
        Route("/operations", pages_operations.operations_page),
        Route("/operations/{report}/", pages_operations.report_file),
        Route("/operations/{report}/{path:path}", pages_operations.report_file),
        Route("/favicon.ico", favicon),
        Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
    ]


def create_app(settings: Settings) -> Starlette:
    """The application over one home. Two portals on one machine have cookies of their own."""
    secret = session_secret(settings)
    cookie = "cairn_" + hashlib.sha256(secret.encode()).hexdigest()[:8]
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(
                SessionMiddleware, secret_key=secret, session_cookie=cookie, max_age=SESSION_SECONDS, same_site="lax"
            ),
        ],
        exception_handlers={HTTPException: error_page, Exception: failure},
    )
    app.state.portal = Portal(settings, Reader(settings), make_environment(settings))
    return app


def main() -> None:
    """Serve until SIGTERM. The access log is off: addresses of pages hold keys of pupils."""
    import uvicorn

    parser = argparse.ArgumentParser(description="Serve Cairn's portal.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args()
    uvicorn.run(create_app(Settings()), host=given.host, port=given.port, access_log=False, server_header=False)


if __name__ == "__main__":
    main()
