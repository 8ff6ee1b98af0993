"""An S3-like store in a process of its own: moto's server, with conditional writes atomic as real stores have them.

``python tests/s3_server.py PORT [strict]``; ``strict`` asks every request for the key ``testing``. moto looks
whether an object is there and then writes it, in threads: two writers could both be told that theirs is the first.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
KEY = "testing"


class Quiet(WSGIRequestHandler):
    """No line a request; connections are kept, as clients of a real store expect."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Nothing."""


def atomic(application: Application, is_strict: bool) -> Application:
    """Let one conditional write at a time through; where strict, refuse other keys than ``testing``."""
    lock = threading.Lock()

    def answer(environ: Environ, start: Any) -> Iterable[bytes]:
        signed = environ.get("HTTP_AUTHORIZATION", "")
        if is_strict and f"Credential={KEY}/" not in signed:
            body = b"<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
            start("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ:
            with lock:
                return list(application(environ, start))
        return application(environ, start)

    return answer


if __name__ == "__main__":
    dispatcher = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        atomic(dispatcher, "strict" in sys.argv[2:]),
        threaded=True,
        request_handler=Quiet,
    )
