"""What the tests of a gateway share: one that runs on the real broker, and senders of both modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cairn.settings import Settings
from streaming.sources import Mode
from tests.streaming.gateway_process import RunningGateway, running_gateway


@pytest.fixture(scope="module")
def gateway(broker: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway of a module's own, in a home of its own."""
    home = Settings(home=tmp_path_factory.mktemp("gateway"), kafka_bootstrap=broker.kafka_bootstrap)
    with running_gateway(home) as running:
        yield running


@pytest.fixture(scope="module")
def strict(gateway: RunningGateway) -> str:
    """A token of a sender whose requests are taken whole or not at all."""
    return gateway.token("by-the-letter", mode=Mode.STRICT)
