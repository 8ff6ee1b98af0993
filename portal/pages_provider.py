"""Signing in and out by the district's identity provider."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from answers.accounts import Account
from answers.provider_accounts import end_account, signed_in
from cairn.access_rules import load_access_rules
from cairn.language import gettext, noted
from portal import sessions
from portal.access_log import note
from portal.claimed_role import role_of
from portal.oidc import NotTaken, Provider, ProviderAway, take_begun
from portal.web import SESSION, end_session, portal_of, public, render, safe_next

LOG = logging.getLogger("portal")
# The state of a sign-in that this browser began.
BEGUN = "sign_in_begun"
CALLBACK = "/login/provider/callback"
# Each waits for the provider: others' pages go on however slow it is.
ASKING = CapacityLimiter(8)
AWAY = noted("The district's sign-in does not answer. Try again in a minute.")


def _provider(request: Request) -> Provider:
    found = portal_of(request).provider
    if found is None:
        raise HTTPException(404, "There is no such page.")
    return found


def _address(request: Request, path: str) -> str:
    """Address of a page of ours as the browser knows it; the host was checked by the doors."""
    scheme = "https" if portal_of(request).settings.portal_behind_tls else request.url.scheme
    return f"{scheme}://{request.url.netloc}{path}"


@public("to the district's identity provider")
async def begin(request: Request) -> Response:
    """To the provider, with what its answer has to fit."""
    return await to_thread.run_sync(_begin, request, limiter=ASKING)


def _begin(request: Request) -> Response:
    provider = _provider(request)
    try:
        where, state = provider.begin(_address(request, CALLBACK), safe_next(request.query_params.get("next")))
    except ProviderAway as error:
        LOG.error("%s", error)
        raise HTTPException(503, AWAY) from error
    request.session[BEGUN] = state
    return RedirectResponse(where, status_code=303)


@public("the identity provider's answer, good once in the browser that began")
async def callback(request: Request) -> Response:
    """The provider's answer: a session for whoever has a role here, a plain word for everybody else."""
    return await to_thread.run_sync(_callback, request, limiter=ASKING)


def _callback(request: Request) -> Response:
    provider, portal = _provider(request), portal_of(request)
    given = request.query_params
    try:
        begun = take_begun(portal.settings, request.session.pop(BEGUN, None), given.get("state"))
        if given.get("iss", provider.issuer) != provider.issuer:
            raise NotTaken("the answer is of another provider")
        if given.get("error") or not given.get("code"):
            raise NotTaken("the provider gave no code")
        claims = provider.claims(begun, given["code"], _address(request, CALLBACK))
    except ProviderAway as error:
        LOG.error("%s", error)
        raise HTTPException(503, AWAY) from error
    except NotTaken as error:
        note(request, "sign-in failed", reason=str(error))
        raise HTTPException(400, "This sign-in was not taken: begin it again from the sign-in page.") from error
    account = _account(request, provider, claims)
    if account is None:
        note(request, "sign-in refused", reason="no role by access.yaml or the roster")
        context = {"title": gettext("No role here"), "ask": load_access_rules(portal.settings).ask}
        return render(request, "no_role.html", context, status_code=403)
    note(request, "signed in", account=account, reason="by the identity provider")
    end_session(request)
    request.session[SESSION] = sessions.begin(portal.settings, account)
    return RedirectResponse(safe_next(begun.target), status_code=303)


def _account(request: Request, provider: Provider, claims: Mapping[str, Any]) -> Account | None:
    """The account of whoever has a role by now; without one an earlier account ends, and its sessions with it."""
    settings, subject = portal_of(request).settings, str(claims["sub"])
    granted = role_of(settings, load_access_rules(settings), claims)
    if granted is None:
        end_account(settings, provider.issuer, subject)
        return None
    name = str(claims.get("preferred_username") or claims.get("email") or subject)
    return signed_in(
        settings,
        provider.issuer,
        subject,
        name=name,
        mail=str(claims.get("email") or f"{subject}@localhost"),
        role=granted.role,
        basis=granted.basis,
        school_id=granted.school_id,
        teacher_key=granted.teacher_key,
    )


@public("says that the session here has ended, and leads to the provider's own sign-out")
async def signed_out(request: Request) -> Response:
    """After signing out here: the provider may still know the person, in whatever browser this is."""
    return await to_thread.run_sync(_signed_out, request, limiter=ASKING)


def _signed_out(request: Request) -> Response:
    provider = _provider(request)
    try:
        where = provider.logout_address(_address(request, "/login"))
    except ProviderAway as error:
        LOG.error("%s", error)
        where = None
    label = portal_of(request).settings.oidc_label
    return render(request, "signed_out.html", {"title": gettext("Signed out"), "where": where, "label": label})
