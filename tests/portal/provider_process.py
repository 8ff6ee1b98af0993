"""An identity provider for tests, in a process of its own: oidc-provider-mock, which also holds clients to PKCE.

It prints its address. What is PUT to ``/users/SUBJECT`` are that person's claims, over the token's own: so a token can
be asked for that is signed as it should be and was made for somebody else.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from werkzeug.serving import make_server

warnings.simplefilter("ignore")
from oidc_provider_mock import app  # noqa: E402 - it is made of what Authlib has deprecated

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Pkce:
    """RFC 7636, which the mock leaves out: a code is good for the verifier of its challenge only."""

    def __init__(self, inner: Wsgi) -> None:
        self.inner = inner
        self.challenges: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/oauth2/token":
            return self._token(environ, start)
        if environ["PATH_INFO"] != "/oauth2/authorize" or environ["REQUEST_METHOD"] != "POST":
            return self.inner(environ, start)
        asked = parse_qs(environ["QUERY_STRING"])

        def noting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            code = parse_qs(urlsplit(dict(headers).get("Location", "")).query).get("code")
            if code and asked.get("code_challenge_method") == ["S256"]:
                self.challenges[code[0]] = asked["code_challenge"][0]
            return start(status, headers, *rest)

        return self.inner(environ, noting)

    def _token(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        given = parse_qs(body.decode())
        verifier = given.get("code_verifier", [""])[0]
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if self.challenges.get(given.get("code", [""])[0]) == hashed:
            return self.inner(environ, start)
        start("400 Bad Request", [("Content-Type", "application/json")])
        return [b'{"error": "invalid_grant", "error_description": "the verifier does not fit"}']


def main() -> None:
    """Serve until the process is ended."""
    server = make_server("127.0.0.1", 0, Pkce(app(require_nonce=True)), threaded=True)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
