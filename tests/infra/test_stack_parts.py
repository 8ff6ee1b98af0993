"""The stack's parts without starting any: state, ports, the services asked for, supervisord's configuration."""

from __future__ import annotations

import configparser
import os
import shlex
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cairn.errors import UsageError
from cairn.settings import Settings
from infra import health, processes, services
from infra.ports import free_port, is_free
from infra.spark_cluster import ClusterSize
from infra.state import StackState, choose_ports, load_state
from infra.supervise import LONGEST_SOCKET_PATH, _socket_path, render
from tests.needs import missing


def test_state_is_kept_whole_and_belongs_to_its_home(settings: Settings, tmp_path: Path) -> None:
    state = load_state(settings)
    state.services["broker"] = {"address": "127.0.0.1:20001", "pid": 1, "pid_created": 1.0}
    state.save(settings.stack_state_path)
    assert load_state(settings) == state
    assert settings.address("broker") == "127.0.0.1:20001"

    copied = Settings(home=tmp_path / "copy")
    copied.stack_state_path.parent.mkdir(parents=True)
    copied.stack_state_path.write_text(settings.stack_state_path.read_text())
    assert load_state(copied).stack_id != state.stack_id
    assert load_state(copied).services == {}


def test_a_broken_state_file_is_begun_anew(settings: Settings) -> None:
    settings.stack_state_path.parent.mkdir(parents=True)
    settings.stack_state_path.write_text('{"home": "/some')
    assert load_state(settings).services == {}


def test_a_port_is_kept_unless_somebody_else_took_it() -> None:
    state = StackState(home="x")
    choose_ports(state, ["broker", "portal"], lambda line: None)
    before = dict(state.ports)
    choose_ports(state, ["broker", "portal"], lambda line: None)
    assert state.ports == before

    said: list[str] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", before["portal"]))
        other.listen()
        assert not is_free(before["portal"])
        choose_ports(state, ["broker", "portal"], said.append)
    assert state.ports["broker"] == before["broker"]
    assert state.ports["portal"] != before["portal"]
    assert said == [
        f"port {before['portal']} of portal is in use by another program: portal moves to {state.ports['portal']}"
    ]


def test_free_ports_avoid_those_taken() -> None:
    first = free_port()
    assert free_port({first}) != first


def test_only_brings_what_is_needed_with_it(settings: Settings) -> None:
    names = [service.name for service in services.wanted(settings, ["gateway", "airflow-scheduler"])]
    assert names == ["broker", "gateway", "airflow", "airflow-scheduler"]
    elsewhere = settings.model_copy(update={"kafka_bootstrap": "kafka.example:9092"})
    assert [service.name for service in services.wanted(elsewhere, ["gateway"])] == ["gateway"]
    with pytest.raises(UsageError, match="no service gatway: known are broker"):
        services.wanted(settings, ["gatway"])


def test_every_service_has_a_program_that_goes_with_its_children(settings: Settings) -> None:
    size = ClusterSize(workers=2)
    every = services.stack_services(size)
    ports = {name: 20000 + number for number, name in enumerate(services.port_names(size))}
    # Only the folder's presence is asked for here; the broker itself is started in test_broker_start.
    if not (settings.cache_dir / "jars" / "broker").exists():
        missing(f"no jars in {settings.cache_dir}/jars/broker: run 'make setup'")
    parser = configparser.RawConfigParser()
    parser.read_string(render(settings, ports, Path("/tmp/s.sock"), every))
    for service in every:
        program = dict(parser[f"program:{service.name}"])
        assert shlex.split(program["command"]) == service.command(settings, ports)
        assert (program["killasgroup"], program["autostart"]) == ("true", "false")
        assert program["stopasgroup"] == ("false" if service.name == "intake" else "true")


def test_the_socket_fits_however_deep_the_home(tmp_path: Path) -> None:
    deep = Settings(home=tmp_path / ("d" * 100) / "home")
    path = _socket_path(deep, "0123456789abcdef")
    assert len(str(path)) <= LONGEST_SOCKET_PATH
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_process_is_its_number_and_its_birth() -> None:
    born = processes.birth(os.getpid())
    assert born is not None
    assert processes.is_same(os.getpid(), born)
    assert not processes.is_same(os.getpid(), born - 100)
    assert not processes.is_same(None, born)


def test_services_get_the_effective_settings_and_the_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/elsewhere")
    settings = Settings(home=tmp_path / "h", timezone="Europe/Zurich")
    found = services.environment(settings, "abc")
    assert (found["CAIRN_HOME"], found["CAIRN_TIMEZONE"]) == (str(tmp_path / "h"), "Europe/Zurich")
    assert found["CAIRN_STACK_ID"] == "abc"
    assert found["PATH"].startswith(str(services.BIN))
    assert "AIRFLOW__CORE__DAGS_FOLDER" not in found


def test_a_heartbeat_counts_if_it_is_this_process_and_lately(settings: Settings) -> None:
    intake = services.BY_NAME["intake"]
    path = settings.stack_state_path.parent / "intake.heartbeat"
    path.parent.mkdir(parents=True)
    now = datetime.now(UTC)
    assert not health.is_ready(settings, intake, {}, now.timestamp() - 60)
    path.write_text(now.isoformat())
    assert health.is_ready(settings, intake, {}, now.timestamp() - 60)
    assert not health.is_ready(settings, intake, {}, now.timestamp() + 1)
    path.write_text((now - timedelta(seconds=45)).isoformat())
    assert not health.is_ready(settings, intake, {}, now.timestamp() - 60)


@pytest.mark.parametrize(
    ("host", "certificate", "expected"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8443/"),
        ("0.0.0.0", "c.pem", "https://127.0.0.1:8443/"),
        ("192.0.2.7", "c.pem", "https://192.0.2.7:8443/"),
        ("::", "c.pem", "https://[::1]:8443/"),
        ("2001:db8::7", "c.pem", "https://[2001:db8::7]:8443/"),
    ],
)
def test_the_gateway_is_asked_where_it_listens(settings: Settings, host: str, certificate: str, expected: str) -> None:
    given = settings.model_copy(update={"gateway_host": host, "gateway_certificate_file": certificate})
    gateway = next(one for one in services.SERVICES if one.name == "gateway")
    assert services.address(given, gateway, {"gateway": 8443}) == expected
