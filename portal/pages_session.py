"""Signing in and out, and the first page of each role."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from portal import accounts
from portal.accounts import Account, Throttled
from portal.pages_overview import overview
from portal.web import check_csrf, current_account, guarded, portal_of, render


def safe_next(target: str | None) -> str:
    """A path of this portal to go to after signing in; anything else becomes the first page."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target or "\n" in target:
        return "/"
    return target


def login_page(request: Request) -> Response:
    """The sign-in form."""
    if current_account(request):
        return RedirectResponse(safe_next(request.query_params.get("next")), status_code=303)
    return _form(request, safe_next(request.query_params.get("next")), "", None, 200)


def _form(request: Request, target: str, name: str, problem: str | None, status: int) -> Response:
    context = {"title": "Sign in", "next": target, "name": name, "problem": problem}
    return render(request, "login.html", context, status_code=status)


async def login_submit(request: Request) -> Response:
    """Sign in: a new session, then where the person wanted to go."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    target = safe_next(str(form.get("next", "")))
    client = request.client.host if request.client else "unknown"
    settings = portal_of(request).settings
    try:
        account = await run_in_threadpool(accounts.sign_in, settings, name, password, client)
    except Throttled as error:
        return await run_in_threadpool(_form, request, target, name, str(error), 429)
    if account is None:
        problem = "Name and password do not fit together. Check both and try again."
        return await run_in_threadpool(_form, request, target, name, problem, 401)
    request.session.clear()
    request.session["account_id"] = account.account_id
    return RedirectResponse(target, status_code=303)


async def logout_submit(request: Request) -> Response:
    """End the session."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    request.session.clear()
    return RedirectResponse("/login", status_code=303)


def logout_page(request: Request) -> Response:
    """Signing out asks once, so that a link elsewhere cannot do it."""
    account = current_account(request)
    if account is None:
        return RedirectResponse("/login", status_code=303)
    request.state.account = account
    return render(request, "logout.html", {"title": "Sign out"})


@guarded()
def home(request: Request, account: Account) -> Response:
    """A school leader's school, the engineer's operations, the central office's overview."""
    if account.role == "school_leader":
        return RedirectResponse(f"/schools/{account.school_id}", status_code=303)
    if account.role == "engineer":
        return RedirectResponse("/operations", status_code=303)
    return overview(request, account)


def health(request: Request) -> Response:
    """Whether the portal answers, and from which releases."""
    try:
        pinned = portal_of(request).reader.pin()
    except Exception as error:
        raise HTTPException(503, "The current release cannot be opened.") from error
    released = {"learning": pinned.learning, "evaluation": pinned.evaluation}
    return JSONResponse(
        {"status": "ok", "releases": {kind: one.release_id if one else None for kind, one in released.items()}}
    )
