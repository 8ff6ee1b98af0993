"""What every request passes before a page: its host, its path, and the headers on every answer."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairn.settings import Settings

# No address of ours is longer; keys and identifiers have some dozens of characters.
LONGEST_PATH = 1_000
# Pages: nothing but our own style sheet and pictures.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Reports of other tools bring their own scripts. Sandboxed, they run in an origin of their own: no cookie, no page and
# no form of the portal is theirs, whatever text a sender got into them.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'self' 'unsafe-inline' 'unsafe-eval' data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REPORT_FILES = "/operations/reports/"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HSTS_SECONDS = 365 * 24 * 3600


def allowed_hosts(settings: Settings, host: str) -> list[str]:
    """Names the portal answers to: the loopback's, the address it serves on, and those of the settings.

    A request for another name is refused with 400: links and redirects are made from that name.
    """
    own = f"[{host}]" if ":" in host else host
    return [*LOOPBACK, own, *settings.portal_hosts]


def security_headers(path: str, is_behind_tls: bool) -> dict[str, str]:
    """The headers of every answer to a request for ``path``; pages with pupils' names stay in no cache."""
    is_report = path.startswith(REPORT_FILES)
    headers = {
        "Content-Security-Policy": REPORT_POLICY if is_report else POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "max-age=3600" if path.startswith("/static/") else "no-store",
    }
    if is_report:
        # Fonts and data of a report, asked for by an origin that has no name.
        headers["Access-Control-Allow-Origin"] = "null"
    if is_behind_tls:
        headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
    return headers


class SecurityHeaders:
    """Headers on every answer that a middleware or a page gives; a failure's page sets them itself."""

    def __init__(self, app: ASGIApp, is_behind_tls: bool) -> None:
        self.app = app
        self.is_behind_tls = is_behind_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own = security_headers(scope["path"], self.is_behind_tls)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in own.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers)


class OddPaths:
    """404 for a path that is none of ours whatever follows: a NUL or control character, or far too long."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and (len(path) > LONGEST_PATH or any(ord(one) < 32 for one in path)):
            await PlainTextResponse("There is no such page.", status_code=404)(scope, receive, send)
            return
        await self.app(scope, receive, send)
