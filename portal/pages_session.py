"""Signing in and out, and the first page of each role."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from answers.accounts import Account
from cairn.language import gettext
from portal import sessions
from portal.access_log import note
from portal.pages_overview import overview
from portal.sign_in import DEVICE_SECONDS, Throttled, name_hash, remember_device, sign_in
from portal.web import (
    SESSION,
    check_csrf,
    current_account,
    end_session,
    guarded,
    portal_of,
    public,
    render,
    safe_next,
)

# Each password tried takes 32 MiB and a tenth of a second: this many at once, and no queue without an end.
SIGNING_IN = CapacityLimiter(4)
MOST_WAITING = 64


@public("the form to sign in")
def login_page(request: Request) -> Response:
    """The sign-in form."""
    if current_account(request):
        return RedirectResponse(safe_next(request.query_params.get("next")), status_code=303)
    return _form(request, safe_next(request.query_params.get("next")), "", None, 200)


def _form(request: Request, target: str, name: str, problem: str | None, status: int) -> Response:
    portal = portal_of(request)
    context = {
        "title": gettext("Sign in"),
        "next": target,
        "name": name,
        "problem": problem,
        "label": portal.settings.oidc_label if portal.provider else None,
        "has_passwords": portal.settings.portal_local_accounts,
    }
    return render(request, "login.html", context, status_code=status)


@public("signing in")
async def login_submit(request: Request) -> Response:
    """Sign in: a new session, then where the person wanted to go."""
    if not portal_of(request).settings.portal_local_accounts:
        raise HTTPException(403, "Accounts with a password are turned off here. Use the district's sign-in.")
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    target = safe_next(str(form.get("next", "")))
    if SIGNING_IN.statistics().tasks_waiting >= MOST_WAITING:
        return await run_in_threadpool(
            _form, request, target, name, gettext("Too many sign in at once. Try again."), 503
        )
    # A queue and threads of its own: however many try, the others' pages go on.
    return await to_thread.run_sync(_sign_in, request, target, name, password, limiter=SIGNING_IN)


def _sign_in(request: Request, target: str, name: str, password: str) -> Response:
    """Try, note what came of it, and answer."""
    portal = portal_of(request)
    settings = portal.settings
    client = request.client.host if request.client else "unknown"
    device = request.cookies.get(portal.device_cookie)
    tried = name_hash(settings, name)
    try:
        account = sign_in(settings, name, password, client, device)
    except Throttled as error:
        note(request, "sign-in refused", name=tried, reason="too many failures")
        answer = _form(request, target, name, str(error), 429)
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    if account is None:
        note(request, "sign-in failed", name=tried, reason="name and password do not fit")
        problem = gettext("Name and password do not fit together. Check both and try again.")
        return _form(request, target, name, problem, 401)
    note(request, "signed in", account=account)
    end_session(request)
    request.session[SESSION] = sessions.begin(settings, account)
    answer = RedirectResponse(target, status_code=303)
    answer.set_cookie(
        portal.device_cookie,
        remember_device(settings, account, device),
        max_age=DEVICE_SECONDS,
        secure=settings.portal_behind_tls,
        httponly=True,
        samesite="lax",
    )
    return answer


@public("signing out; without a session it ends nothing")
async def logout_submit(request: Request) -> Response:
    """End the session: a copy of its cookie opens nothing from here on."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    return await run_in_threadpool(_sign_out, request)


def _sign_out(request: Request) -> Response:
    account = current_account(request)
    note(request, "signed out", account=account)
    end_session(request)
    is_providers = account is not None and account.issuer is not None and portal_of(request).provider is not None
    return RedirectResponse("/signed-out" if is_providers else "/login", status_code=303)


@public("asks before signing out")
def logout_page(request: Request) -> Response:
    """Signing out asks once, so that a link elsewhere cannot do it."""
    account = current_account(request)
    if account is None:
        return RedirectResponse("/login", status_code=303)
    request.state.account = account
    return render(request, "logout.html", {"title": gettext("Sign out")})


@guarded()
def home(request: Request, account: Account) -> Response:
    """A school leader's school, a teacher's classes, the engineer's operations, the central office's overview."""
    if account.role == "school_leader":
        return RedirectResponse(f"/schools/{account.school_id}", status_code=303)
    if account.role == "teacher":
        return RedirectResponse("/classes", status_code=303)
    if account.role == "engineer":
        return RedirectResponse("/operations", status_code=303)
    return overview(request, account)


@public("says ok and no more to those who are not signed in")
def health(request: Request) -> Response:
    """Whether the portal answers and, for the signed-in, from which releases."""
    try:
        pinned = portal_of(request).reader.pin()
    except Exception as error:
        raise HTTPException(503, "The current release cannot be opened.") from error
    if current_account(request) is None:
        return JSONResponse({"status": "ok"})
    released = {"learning": pinned.learning, "evaluation": pinned.evaluation}
    return JSONResponse(
        {"status": "ok", "releases": {kind: one.release_id if one else None for kind, one in released.items()}}
    )
