"""The portal: ``python -m portal.app --port P``. Server-rendered pages that need no script."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from answers.pinned_releases import Reader
from answers.school_lists import LISTS
from answers.wording import retold
from cairn.language import gettext, noted, speaking
from cairn.settings import Settings
from portal import (
    feed_pull,
    language_choice,
    pages_class,
    pages_feed,
    pages_named,
    pages_operations,
    pages_pilots,
    pages_provider,
    pages_published,
    pages_releases,
    pages_rollout,
    pages_school,
    pages_school_lists,
    pages_session,
    pages_student,
    pages_words,
)
from portal.access_log import note
from portal.ahead import Ahead
from portal.doors import OddPaths, SecurityHeaders, allowed_hosts, security_headers
from portal.oidc import provider_of
from portal.operations_snapshot import Snapshots
from portal.processes import serve
from portal.sessions import ABSOLUTE_SECONDS
from portal.sign_in import session_secret
from portal.web import (
    HERE,
    Portal,
    check_routes,
    current_account,
    make_environment,
    portal_of,
    public,
    render,
    render_alone,
)

STATIC = "/static"
# Asking for what is not there is of interest where pupils are.
PATHS_ABOUT_PUPILS = ("/schools/", "/students/", "/named/")
FAILED = noted("Something failed here. It is in the portal's log.")
# What a refusal is called, and what is said where nobody gave a reason.
TITLES = {
    400: noted("Not taken"),
    403: noted("Not allowed"),
    404: noted("Not found"),
    405: noted("Not this way"),
    422: noted("Something to mend"),
    500: noted("Something failed"),
    503: noted("Not yet"),
}
# What to do about it.
NEXT = {
    403: noted("If you need it for your work, ask the district’s data office. Say what you tried to open."),
    404: noted("Check the address, or go back and open it from a list. Classes and pupils change with the roster."),
    500: noted("Try again in a minute. If it fails again, tell the district’s data office the page and the time."),
    503: noted("Come back later. If it stays so tomorrow, tell the district’s data office."),
}
BARE = {404: noted("There is no such page."), 405: noted("This page cannot be asked that way.")}


def error_page(request: Request, error: Exception) -> Response:
    """A refusal or failure in the portal's own frame; nothing of the request is repeated."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else FAILED
    phrase = HTTPStatus(status).phrase
    if detail == phrase:
        detail = BARE.get(status, phrase)
    if "session" in request.scope and not hasattr(request.state, "account"):
        request.state.account = current_account(request)
    if status == 403 or (status == 404 and request.url.path.startswith(PATHS_ABOUT_PUPILS)):
        note(request, "refused", account=getattr(request.state, "account", None), reason=f"{status}: {detail}")
    return render(request, "error.html", _told(request, status, detail), status_code=status)


def _told(request: Request, status: int, detail: str) -> dict[str, str]:
    """What an error's page says: what happened, why, and what to do; a form that was refused says that itself."""
    is_form = request.method == "POST" and status == 403
    phrase = HTTPStatus(status).phrase
    next_step = "" if is_form else gettext(NEXT.get(status, ""))
    return {"title": gettext(TITLES.get(status, phrase)), "detail": retold(detail), "next_step": next_step}


def failure(request: Request, error: Exception) -> Response:
    """An error of ours, outside the session's middleware: its page knows the language, and nobody's name."""
    with speaking(language_choice.asked(request.scope)):
        page = render_alone(request, "error.html", _told(request, 500, FAILED), status_code=500)
    # It is made outside every middleware of ours.
    page.headers.update(security_headers(request.url.path, portal_of(request).settings.portal_behind_tls))
    return page


@public("browsers ask for it unasked")
def favicon(request: Request) -> Response:
    """To the mark of the portal."""
    return RedirectResponse("/static/cairn.svg", status_code=301)


def routes() -> list[Route | Mount]:
    """Every address of the portal."""
    return [
        Route("/", pages_session.home),
        Route("/health", pages_session.health),
        Route("/language/{code}", language_choice.choose),
        Route("/login", pages_session.login_page, methods=["GET"]),
        Route("/login", pages_session.login_submit, methods=["POST"]),
        Route("/login/provider", pages_provider.begin),
        Route(pages_provider.CALLBACK, pages_provider.callback),
        Route("/logout", pages_session.logout_page, methods=["GET"]),
        Route("/logout", pages_session.logout_submit, methods=["POST"]),
        Route("/signed-out", pages_provider.signed_out),
        Route("/schools/{school_id}", pages_school.school_page),
        Route("/classes", pages_class.classes_page),
        *(Route(f"/schools/{{school_id}}/{name}", pages_school_lists.list_page) for name in LISTS),
        Route("/schools/{school_id}/by-class", pages_school_lists.by_class_page),
        Route("/schools/{school_id}/classes/{class_id}", pages_class.class_page),
        Route(pages_named.SCHOOL_ROUTE, pages_named.school_page),
        Route(pages_named.SCHOOL_ROUTE, pages_named.school_reason, methods=["POST"]),
        Route(pages_named.PUPIL_ROUTE, pages_named.student_page),
        Route(pages_named.PUPIL_ROUTE, pages_named.student_reason, methods=["POST"]),
        Route("/schools/{school_id}/feed", pages_feed.feed_page),
        Route("/schools/{school_id}/feed/{name:path}", pages_feed.feed_file),
        Route("/feeds/{school_id}/{name}", feed_pull.pull_file),
        Route("/feeds/{school_id}/ims/oneroster/gradebook/v1p2/{collection}", feed_pull.gradebook),
        Route("/schools/{school_id}/classes/{class_id}/print", pages_class.print_page),
        Route("/schools/{school_id}/classes/{class_id}/actions", pages_words.act_for_group, methods=["POST"]),
        Route("/students/{student_key}", pages_student.student_page),
        Route("/students/{student_key}/words", pages_words.say_word, methods=["POST"]),
        Route("/students/{student_key}/actions", pages_words.act, methods=["POST"]),
        Route("/pilots", pages_pilots.pilots_page),
        Route("/pilots/{pilot_id}.pdf", pages_pilots.pilot_pdf),
        Route("/pilots/{pilot_id}", pages_pilots.pilot_page),
        Route("/pilots/{pilot_id}/decision", pages_pilots.decide, methods=["POST"]),
        Route("/rollout", pages_rollout.rollout_page),
        Route("/equity", pages_published.equity_page),
        Route("/published/{table}.csv", pages_published.published_csv),
        Route("/releases", pages_releases.releases_page),
        Route("/releases/{before}/{after}", pages_releases.difference_page),
        Route("/operations", pages_operations.operations_page),
        Route("/operations/tables/{name}", pages_operations.table_page),
        Route("/operations/logs/{service}", pages_operations.log_page),
        Route("/operations/reports/{ticket}/{report}/{path:path}", pages_operations.report_file),
        Route("/operations/{report}/", pages_operations.report),
        Route("/operations/{report}/{path:path}", pages_operations.report),
        Route("/favicon.ico", favicon),
        Mount(STATIC, StaticFiles(directory=HERE / "static"), name="static"),
    ]


def create_app(settings: Settings, host: str = "127.0.0.1") -> Starlette:
    """The application over one home, served on ``host``. Two portals on one machine have cookies of their own.

    Raises CairnError where an address is guarded by nobody.
    """
    addresses = routes()
    check_routes(addresses, [STATIC])
    secret = session_secret(settings)
    mark = hashlib.sha256(secret.encode()).hexdigest()[:8]
    prefix = "__Host-" if settings.portal_behind_tls else ""
    proxies = [Middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)]
    app = Starlette(
        routes=addresses,
        middleware=[
            *(proxies if settings.trusted_proxies else ()),
            Middleware(SecurityHeaders, is_behind_tls=settings.portal_behind_tls),
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(settings, host), www_redirect=False),
            Middleware(OddPaths),
            Middleware(
                SessionMiddleware,
                secret_key=secret,
                session_cookie=f"{prefix}cairn_{mark}",
                max_age=ABSOLUTE_SECONDS,
                same_site="lax",
                https_only=settings.portal_behind_tls,
            ),
            Middleware(language_choice.Languages),
        ],
        exception_handlers={HTTPException: error_page, Exception: failure},
    )
    reader = Reader(settings)
    app.state.snapshots = Snapshots(settings, reader)
    portal = Portal(
        settings,
        reader,
        make_environment(settings),
        device_cookie=f"{prefix}cairn_device_{mark}",
        report_tickets=TimestampSigner(secret, salt="reports"),
        provider=provider_of(settings),
    )
    app.state.portal, app.state.ahead = portal, Ahead(portal)
    return app


def main() -> None:
    """Serve until SIGTERM."""
    serve(create_app, "Serve Cairn's portal.")


if __name__ == "__main__":
    main()
