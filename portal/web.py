"""What every page shares: who asks, what they may open, the pinned releases, the frame around the page."""

from __future__ import annotations

import functools
import hmac
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from itsdangerous import TimestampSigner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from answers import wording
from answers.accounts import ROLES, Account
from answers.as_published import rules_of
from answers.pinned_releases import Pinned, Reader
from answers.school_trust import Age, current_age
from cairn import language
from cairn.errors import CairnError
from cairn.language import gettext, noted
from cairn.protection.rules import Rules
from cairn.settings import Settings
from portal import sessions
from portal.chart_words import drawn
from portal.oidc import Provider

LOG = logging.getLogger("portal")
HERE = Path(__file__).resolve().parent
# Under this name the signed cookie carries the session's token.
SESSION = "session"
# And under this one the language that was chosen: it outlives signing in and out.
LANGUAGE = "language"
Handler = Callable[[Request, Account], Response | Awaitable[Response]]
Endpoint = Callable[[Request], Any]
# Who opens what: roles by endpoint of those that are guarded; of the others, why anybody may ask.
GUARDED: dict[Endpoint, tuple[str, ...]] = {}
PUBLIC: dict[Endpoint, str] = {}

# What each role finds in the header: address, words.
NAVIGATION = {
    "school_leader": (("/schools/{school_id}", noted("School")), ("/schools/{school_id}/feed", noted("Files"))),
    "teacher": (("/classes", noted("Classes")),),
    "central_office": (
        ("/", noted("Schools")),
        ("/pilots", noted("Pilots")),
        ("/rollout", noted("Rollout")),
        ("/releases", noted("Releases")),
        ("/operations", noted("Operations")),
    ),
    "engineer": (
        ("/operations", noted("Operations")),
        ("/pilots", noted("Pilots")),
        ("/rollout", noted("Rollout")),
        ("/releases", noted("Releases")),
    ),
}


@dataclass(frozen=True)
class Portal:
    """What the application holds for all requests."""

    settings: Settings
    reader: Reader
    environment: Environment
    device_cookie: str
    report_tickets: TimestampSigner
    provider: Provider | None

    def age(self, data_date: date) -> Age:
        """How old a release of that data date is."""
        return current_age(self.settings, data_date)

    def n_min(self) -> int:
        """Smallest group that is shown to those who are not entitled to see single pupils."""
        return self.rules().n_min

    def rules(self) -> Rules:
        """What may be told to those who are not entitled to see single pupils."""
        try:
            return rules_of(self.settings)
        except CairnError as error:
            # Fails closed: without the rule nothing that counts pupils is shown. The message names a file: for the log.
            LOG.error("%s", error)
            raise HTTPException(503, "The district's privacy rules cannot be read: see the portal's log.") from error


def make_environment(settings: Settings) -> Environment:
    """Templates with autoescape on, and with the words of the pages as filters; an unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        told=_each_time(lambda value: wording.retold(None if value is None else str(value))),
        state=_each_time(wording.state),
        reason=_each_time(wording.reason),
        left_group=_each_time(wording.left),
        plain=_each_time(lambda value: wording.retold(wording.plain(value))),
        drawn=_each_time(lambda svg: Markup(drawn(svg))),  # our own charts, escaped where they are drawn
        recommendation=_each_time(wording.recommendation),
        number=wording.number,
        percent=wording.percent,
        money=wording.money,
        day=_each_time(wording.day),
        short_day=_each_time(wording.short_day),
        moment=_each_time(lambda value: wording.moment(value, settings.zone)),
    )
    environment.globals.update(plural=wording.plural, words=wording)
    return environment


def _each_time(words: Callable[..., str]) -> Callable[..., str]:
    """A filter that depends on the language: with the context Jinja says it anew, also of what never changes."""

    @pass_context
    def filtered(_: Context, value: Any) -> str:
        return words(value)

    return filtered


def portal_of(request: Request) -> Portal:
    """The application's parts."""
    found = request.app.state.portal
    assert isinstance(found, Portal)
    return found


def current_account(request: Request) -> Account | None:
    """The account of the session, where that still stands."""
    token = request.session.get(SESSION)
    return sessions.account_of(portal_of(request).settings, token) if isinstance(token, str) else None


def csrf_token(request: Request) -> str:
    """The session's token for forms, made on first use."""
    if "csrf" not in request.session:
        request.session["csrf"] = secrets.token_urlsafe(24)
    return str(request.session["csrf"])


def check_csrf(request: Request, given: Any) -> None:
    """Refuse a form that did not come from our own page. Raises HTTPException 403."""
    # Browsers say where a form was sent from, where they trust the connection; elsewhere the token alone must do.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form came from another site. Open the page again and repeat.")
    expected = request.session.get("csrf")
    if not expected or not isinstance(given, str) or not hmac.compare_digest(expected, given):
        raise HTTPException(403, "This form is too old or came from elsewhere. Open the page again and repeat.")


def safe_next(target: str | None) -> str:
    """A path of this portal to go to after signing in; anything else becomes the first page."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    # Browsers read a backslash as a slash, and drop what cannot be seen.
    return "/" if "\\" in target or any(ord(one) <= 32 or ord(one) == 127 for one in target) else target


def end_session(request: Request) -> None:
    """End the session here and empty its cookie, of all but the language."""
    token = request.session.get(SESSION)
    if isinstance(token, str):
        sessions.end(portal_of(request).settings, token)
    chosen = request.session.get(LANGUAGE)
    request.session.clear()
    if chosen:
        request.session[LANGUAGE] = chosen


def login_redirect(request: Request) -> Response:
    """To the sign-in page, and back afterwards."""
    wanted = request.url.path
    return RedirectResponse("/login" if wanted == "/" else f"/login?next={quote(wanted)}", status_code=303)


def guarded(*roles: str) -> Callable[[Handler], Endpoint]:
    """A page for signed-in accounts of these roles (all roles where none is named): others get 403 or the sign-in.

    A handler that waits for a form is a coroutine; its account is looked up in a thread, before the form is read.
    """
    unknown = set(roles) - set(ROLES)
    assert not unknown, f"no such role: {unknown}"

    def entered(request: Request) -> Account | Response:
        account = current_account(request)
        if account is None:
            return login_redirect(request)
        request.state.account = account
        if roles and account.role not in roles:
            raise HTTPException(403, "Your account does not open this page.")
        return account

    def decorate(handler: Handler) -> Endpoint:
        @functools.wraps(handler)
        def page(request: Request) -> Any:
            found = entered(request)
            return found if isinstance(found, Response) else handler(request, found)

        @functools.wraps(handler)
        async def form(request: Request) -> Any:
            found = await run_in_threadpool(entered, request)
            if isinstance(found, Response):
                return found
            answer = handler(request, found)
            return await answer if inspect.isawaitable(answer) else answer

        endpoint = form if inspect.iscoroutinefunction(handler) else page
        GUARDED[endpoint] = roles or ROLES
        return endpoint

    return decorate


def public(why: str) -> Callable[[Endpoint], Endpoint]:
    """An address that needs no account; ``why`` stands in the table of who opens what."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        PUBLIC[endpoint] = why
        return endpoint

    return decorate


def check_routes(routes: Iterable[BaseRoute], mounts: Iterable[str]) -> None:
    """Refuse to serve an address that nobody guards, or a folder that is none of ``mounts``. Raises CairnError."""
    for route in routes:
        if isinstance(route, Route):
            is_known = route.endpoint in GUARDED or route.endpoint in PUBLIC
        else:
            is_known = isinstance(route, Mount) and route.path in mounts
        if not is_known:
            where = getattr(route, "path", route)
            raise CairnError(f"{where} is open to anybody: wrap it by guarded(roles), or by public(why) (portal.web)")


def navigation(account: Account | None) -> list[tuple[str, str]]:
    """Header links of an account."""
    if account is None:
        return []
    return [(address.format(school_id=account.school_id), gettext(text)) for address, text in NAVIGATION[account.role]]


def _here(request: Request, status_code: int) -> str:
    """Where to come back to after another language was chosen.

    An answer to a form has no address of its own, and a refusal repeats nothing of what was asked.
    """
    if request.method not in ("GET", "HEAD") or status_code >= 400:
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def render_alone(request: Request, template: str, context: Mapping[str, Any], *, status_code: int) -> HTMLResponse:
    """A whole page for whoever it is, of which nothing is read: no account, no release, no form."""
    nobody = dict.fromkeys(("account", "pinned", "age"))
    nothing: dict[str, Any] = {"navigation": [], "languages": {}, "path": "", "here": "/", "csrf": ""}
    html = portal_of(request).environment.get_template(template)
    return HTMLResponse(html.render(**nobody, **nothing, spoken=language.current(), **context), status_code=status_code)


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    pinned: Pinned | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    """A whole page; ``context`` needs ``title``, which is unique to the page."""
    portal = portal_of(request)
    account = getattr(request.state, "account", None)
    age = portal.age(pinned.learning.data_date) if pinned and pinned.learning else None
    html = portal.environment.get_template(template).render(
        account=account,
        navigation=navigation(account),
        path=request.url.path,
        here=_here(request, status_code),
        spoken=language.current(),
        languages=language.LANGUAGES,
        csrf=csrf_token(request),
        pinned=pinned,
        age=age,
        **context,
    )
    return HTMLResponse(html, status_code=status_code)
