"""The district's identity provider: OpenID Connect's authorization code flow with PKCE, by Authlib.

Authlib's classes for Starlette and httpx want httpx2, which is not among our packages; those for requests do the same
and wait in a thread, as our pages do. What is begun is kept here, on the server, and is good once: the browser's cookie
holds its random state alone. Of the provider's tokens nothing is kept.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.base_client import BaseApp, OAuthError
from authlib.integrations.base_client.sync_app import OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError
from requests import RequestException

from answers.accounts import writing
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.whole_file import private_text
from portal.sign_in import token_hash

BEGUN_SECONDS = 10 * 60
BEGUN_KEPT = 10_000
TIMEOUT_SECONDS = 10.0
# Addresses, keys and our secret are read anew after this long; a key that is not known is asked for at once.
READ_ANEW_SECONDS = 3600.0
# Signed by the provider's private key: what else a provider offers (none, or a secret both know) is not taken.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderAway(CairnError):
    """The identity provider, or our settings of it, cannot be used; the message is for the log."""


class NotTaken(CairnError):
    """A sign-in by the provider that is not taken; the message is ours and names nobody."""


@dataclass(frozen=True)
class Begun:
    """A sign-in that was begun: what the answer has to fit, and where the person wanted to go."""

    nonce: str
    verifier: str
    target: str


class _Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # Authlib has no types
    """Authlib's application for OpenID Connect, over requests."""

    client_cls = OAuth2Session


class Provider:
    """The identity provider of the settings; one a process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.issuer = settings.oidc_issuer
        self._client: _Client | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def begin(self, redirect_uri: str, target: str) -> tuple[str, str]:
        """Begin a sign-in: the provider's address to go to, and the state for the browser. Raises ProviderAway."""
        client = self._ready()
        made = client.create_authorization_url(redirect_uri)
        remember(self.settings, made["state"], Begun(made["nonce"], made["code_verifier"], target))
        return str(made["url"]), str(made["state"])

    def claims(self, begun: Begun, code: str, redirect_uri: str) -> Mapping[str, Any]:
        """Claims of the ID token that a code is good for: signed by the provider, for us, for what was begun.

        Raises ProviderAway, and NotTaken where the provider refuses the code or the token is not for this sign-in.
        """
        client = self._ready()
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.settings.oidc_client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": begun.nonce},
        }
        try:
            token = client.fetch_access_token(redirect_uri, code=code, code_verifier=begun.verifier)
            if not token.get("id_token"):
                raise NotTaken("the provider gave no ID token")
            found: Mapping[str, Any] = client.parse_id_token(token, nonce=begun.nonce, claims_options=options)
        except OAuthError as error:
            raise NotTaken("the provider refused the code") from error
        except JoseError as error:
            raise NotTaken(f"the ID token is not for this sign-in ({type(error).__name__})") from error
        except RequestException as error:
            raise ProviderAway(f"{self.issuer} does not answer ({type(error).__name__})") from error
        except (KeyError, TypeError, ValueError) as error:
            raise NotTaken(f"the provider's answer cannot be read ({type(error).__name__})") from error
        if not isinstance(found.get("sub"), str) or not found["sub"]:
            raise NotTaken("the ID token names no subject")
        return found

    def logout_address(self, back: str) -> str | None:
        """Where the person signs out of the provider and comes ``back``; None where it offers nothing.

        Raises ProviderAway.
        """
        client = self._ready()
        if not client.server_metadata.get("end_session_endpoint"):
            return None
        made = client.create_logout_url(post_logout_redirect_uri=back, client_id=self.settings.oidc_client_id)
        return str(made["url"])

    def _ready(self) -> Any:
        """Authlib's client with the provider's own description read and checked. Raises ProviderAway."""
        with self._lock:
            if self._client is None or time.monotonic() - self._read_at > READ_ANEW_SECONDS:
                self._client = self._made()
                self._read_at = time.monotonic()
            return self._client

    def _made(self) -> _Client:
        settings = self.settings
        try:
            secret = private_text(Path(settings.oidc_client_secret_file), "oidc_client_secret_file")
        except CairnError as error:
            raise ProviderAway(str(error)) from error
        client = _Client(
            None,
            client_id=settings.oidc_client_id,
            client_secret=secret,
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.oidc_scopes,
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_SECONDS,
            },
            user_agent="Cairn",
        )
        try:
            metadata = client.load_server_metadata()
        except (RequestException, ValueError) as error:
            raise ProviderAway(f"{self.issuer}: its description cannot be read ({type(error).__name__})") from error
        if metadata.get("issuer") != self.issuer:
            raise ProviderAway(f"{self.issuer} calls itself {metadata.get('issuer')!r}: write oidc_issuer as it does")
        for name in ENDPOINTS:
            check_address(str(metadata.get(name) or ""), name)
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [one for one in offered if one in ALGORITHMS]
        return client


def check_address(address: str, name: str) -> None:
    """Refuse an address that is not https; on this machine itself http will do. Raises ProviderAway."""
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ProviderAway(f"{name} of the identity provider is {address!r}: it has to be https")


def provider_of(settings: Settings) -> Provider | None:
    """The provider of the settings, or None where none is named. Raises CairnError where they are not whole."""
    if not settings.oidc_issuer:
        return None
    check_address(settings.oidc_issuer, "oidc_issuer")
    if not settings.oidc_client_id or not settings.oidc_client_secret_file:
        raise CairnError("oidc_issuer is set: set oidc_client_id and oidc_client_secret_file too, or none of them")
    if "openid" not in settings.oidc_scopes.split():
        raise CairnError(f"oidc_scopes is {settings.oidc_scopes!r}: without openid there is no ID token")
    return Provider(settings)


def remember(settings: Settings, state: str, begun: Begun) -> None:
    """Keep a sign-in that was begun, by the hash of its state; the oldest go where too many are begun."""
    now = time.time()
    with writing(settings) as database:
        database.execute("delete from sign_in_begun where began_at < ?", (now - BEGUN_SECONDS,))
        database.execute(
            "delete from sign_in_begun where state_hash in"
            " (select state_hash from sign_in_begun order by began_at desc limit -1 offset ?)",
            (BEGUN_KEPT,),
        )
        row = (token_hash(state), begun.nonce, begun.verifier, begun.target, now)
        database.execute("insert into sign_in_begun values (?, ?, ?, ?, ?)", row)


def take_begun(settings: Settings, expected: object, state: str | None) -> Begun:
    """What was begun with that state by this browser, once. Raises NotTaken.

    ``expected`` is the state that the browser's cookie holds: an answer sent to somebody else's browser fits nothing.
    """
    if not isinstance(expected, str) or not state or not secrets.compare_digest(expected.encode(), state.encode()):
        raise NotTaken("it was not begun in this browser")
    with writing(settings) as database:
        row = database.execute(
            "delete from sign_in_begun where state_hash = ? returning nonce, verifier, target, began_at",
            (token_hash(state),),
        ).fetchone()
    if row is None or time.time() - row[3] > BEGUN_SECONDS:
        raise NotTaken("it was begun too long ago, or is answered already")
    return Begun(*row[:3])
