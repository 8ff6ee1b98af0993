"""The gateway by TLS, with a certificate that the test makes: who gets in, a renewal without a restart."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cairn.settings import Settings
from streaming import client
from streaming.gateway import main
from streaming.sources import SourceRegistry
from tests.streaming.certificates import make_certificate
from tests.streaming.gateway_process import RunningGateway, running_gateway
from tests.streaming.xapi_bodies import answered

ADDRESS = "/xapi/statements"


def shown_certificate(gateway: RunningGateway) -> bytes:
    """What the gateway shows to a new connection, whoever signed it."""
    url = httpx.URL(gateway.address)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((url.host, url.port or 0), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=url.host) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


@contextmanager
def shows_another(gateway: RunningGateway) -> Iterator[None]:
    """Wait after the block until new connections are shown another certificate than before it."""
    before = shown_certificate(gateway)
    yield
    deadline = time.monotonic() + 20
    # Several at once: whichever process of the gateway takes them.
    while before in [shown_certificate(gateway) for _ in range(8)]:
        assert time.monotonic() < deadline, "the old certificate stays"
        time.sleep(0.05)


@pytest.mark.broker
@pytest.mark.parametrize("processes", [1, 2])
def test_senders_come_by_tls_and_a_certificate_is_renewed(broker: Settings, tmp_path: Path, processes: int) -> None:
    certificate, key, _ = make_certificate(tmp_path)
    settings = Settings(
        home=tmp_path / "home",
        kafka_bootstrap=broker.kafka_bootstrap,
        gateway_processes=processes,
        gateway_certificate_file=str(certificate),
        gateway_key_file=str(key),
        gateway_ca_file=str(certificate),
    )
    with running_gateway(settings) as gateway:
        token, _ = gateway.token("tilewise"), gateway.token("idle")
        assert gateway.call("POST", ADDRESS, token, json=answered()).status_code == 200
        plain = gateway.address.replace("https://", "http://")
        with pytest.raises(httpx.TransportError):
            httpx.post(plain + ADDRESS, json=answered())
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            gateway.call("POST", ADDRESS, token, json=answered(), verify=ssl.create_default_context())

        path = tmp_path / "work.json"
        path.write_text(json.dumps([answered(), answered()]))
        named = settings.model_copy(update={"gateway_url": gateway.address.replace("127.0.0.1", "localhost")})
        assert client.send(named, path, "tilewise")["accepted"] == 2

        trusted_before = gateway.trust
        with shows_another(gateway):
            make_certificate(tmp_path)
            gateway.process.send_signal(signal.SIGHUP)
        gateway.trust = ssl.create_default_context(cafile=str(certificate))
        assert gateway.call("POST", ADDRESS, token, json=answered()).status_code == 200
        with pytest.raises(httpx.ConnectError):
            gateway.call("POST", ADDRESS, token, json=answered(), verify=trusted_before)
        # A renewal that went wrong ends nothing: the new certificate is there, and its key is torn.
        make_certificate(tmp_path)
        key.write_text("torn")
        gateway.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert gateway.call("POST", ADDRESS, token, json=answered()).status_code == 200
    registry = SourceRegistry(settings)
    used, idle = (registry.tokens(name)[0].last_used_at for name in ("tilewise", "idle"))
    registry.close()
    assert idle is None
    assert used is not None, "the use of a token is written down, at the latest as the gateway ends"


def test_half_a_certificate_is_refused_in_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_GATEWAY_CERTIFICATE_FILE", "c.pem")
    with pytest.raises(SystemExit, match="go together: set both, or none"):
        main(["--port", "1"])
    monkeypatch.setenv("CAIRN_GATEWAY_KEY_FILE", "k.pem")
    with pytest.raises(SystemExit, match=r"gateway_certificate_file c.pem with gateway_key_file k.pem: .*No such file"):
        main(["--port", "1"])
