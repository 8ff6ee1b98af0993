"""One way to run an ASGI application of this folder as a service of the stack."""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn

from cairn.errors import CairnError
from cairn.settings import Settings
from streaming.metrics import SHARED_FOLDER
from streaming.several import Children, end_with_parent

log = logging.getLogger(__name__)

GRACE_SECONDS = 10
# What a child may take to end behind its requests: what is queued is committed.
END_SECONDS = GRACE_SECONDS + 20


@dataclass(frozen=True)
class Tls:
    """A certificate with its key, in files that a renewal replaces."""

    certificate_file: str
    key_file: str

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later with the certificate, which SIGHUP reads anew: open connections go on, new ones have it.

        Raises CairnError where the files are no certificate and its key. A renewal that cannot be read changes nothing.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            self._load(context)
        except (OSError, ssl.SSLError) as error:
            raise CairnError(f"{self}: {error}") from None

        def renew(_signal: int, _frame: object) -> None:
            try:
                self._load(context)
                log.warning("the certificate was read anew")
            except (OSError, ssl.SSLError) as error:
                log.error("%s cannot be read anew (%s): the old certificate stays", self, error)

        # Python runs this between two steps of the loop's own thread: nothing else uses the context meanwhile.
        signal.signal(signal.SIGHUP, renew)
        # One of several processes begins with it held back (see ``streaming.several``).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        # First into a context of nobody's: one that takes the certificate and not its key has neither then.
        for each in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
            each.load_cert_chain(self.certificate_file, self.key_file)

    def __str__(self) -> str:
        """The files, as messages name them."""
        return f"gateway_certificate_file {self.certificate_file} with gateway_key_file {self.key_file}"


def tls_of(settings: Settings) -> Tls | None:
    """The gateway's certificate; None where it has none. Raises CairnError where half of it is set."""
    files = settings.gateway_certificate_file, settings.gateway_key_file
    if not any(files):
        return None
    if not all(files):
        raise CairnError("gateway_certificate_file and gateway_key_file go together: set both, or none")
    return Tls(*files)


def serve(
    make_app: Callable[[Settings, int], Any],
    about: str,
    arguments: list[str] | None = None,
    *,
    module: str = "",
    processes: Callable[[Settings], int] = lambda _settings: 1,
    has_tls: bool = False,
) -> None:
    """Serve the application on ``--port`` until SIGTERM; requests under way get ``GRACE_SECONDS`` to end.

    ``make_app`` takes the settings and the number of the process, 0 where there is one. Where ``processes`` are more
    than one, this process holds the port and runs so many of ``module``, each with a number of its own. ``has_tls``: by
    TLS where the settings have a certificate.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--socket", type=int, help="of a child: the socket that it inherits")
    parser.add_argument("--number", type=int, default=0, help="of a child: which one it is, from 0")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A client that waits for a broker would write a line a retry.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    settings = Settings()
    try:
        tls = tls_of(settings) if has_tls else None
        context = tls.context() if tls else None
    except CairnError as error:
        raise SystemExit(f"error: {error}") from None
    if given.socket is None and (wanted := processes(settings)) > 1:
        counts = settings.stack_state_path.parent / f"{module}-counts"
        shutil.rmtree(counts, ignore_errors=True)
        counts.mkdir(parents=True)
        children = Children(module, wanted, given.host, given.port, {SHARED_FOLDER: str(counts)})
        sys.exit(children.run(END_SECONDS))
    inherited = None
    if given.socket is not None:
        end_with_parent()
        inherited = [socket.socket(fileno=given.socket)]
    config = uvicorn.Config(
        make_app(settings, given.number),
        ssl_context_factory=(lambda _config, _default: context) if context else None,
        host=given.host,
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
    )
    uvicorn.Server(config).run(inherited)
