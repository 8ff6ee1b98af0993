"""SFTP against a real SSH server on the loopback: host keys verified, a key or a password, files whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from cairn.settings import Settings
from loading.pickup.run import SourceOutcome
from tests.loading.pickup.conftest import Configure, RunPickup, put_away, states
from tests.sftp_server import PASSWORD, Server, sftp_server

COSTS = "SchoolId,PilotId,Date,Name,Value,Unit\ns1,reading-companion,2026-09-08,licence,5,usd\n"
Apart = Callable[..., dict[str, SourceOutcome]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the file."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


@pytest.fixture
def source(server: Server) -> dict[str, Any]:
    """The source as pickup.yaml has it; the server's folder is empty."""
    for path in server.outgoing.iterdir():
        path.unlink()
    return {
        "kind": "sftp",
        "host": "127.0.0.1",
        "port": server.port,
        "username": "district",
        "path": "/outgoing/",
        "known_hosts": str(server.known_hosts),
        "client_key": str(server.client_key),
        "stable_seconds": 0,
        "take": [{"match": "*.csv", "load": "facts", "layout": "cairn_costs"}],
    }


@pytest.fixture
def apart(pick_up: RunPickup) -> Apart:
    """The pick-up in a thread of its own: a browser's tests keep a loop running in this one."""

    def run(*names: str, **options: bool) -> dict[str, SourceOutcome]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(pick_up, *names, **options).result()

    return run


def test_files_are_fetched_once_and_stay_or_go(
    settings: Settings, server: Server, source: dict[str, Any], configure: Configure, apart: Apart
) -> None:
    configure(vendor=source)
    (server.outgoing / "costs.csv").write_text(COSTS)
    (server.outgoing / "costs.csv.filepart").write_text("not yet whole")
    done = apart()["vendor"]
    assert (done.state, states(done)) == ("done", [("costs.csv", "loaded")])
    assert put_away(settings, "vendor", "archive") == ["costs.csv"]
    assert (apart()["vendor"].files, (server.outgoing / "costs.csv").exists()) == ([], True)
    (server.outgoing / "costs.csv").write_text(COSTS.replace("5", "60"))
    configure(vendor={**source, "after": "remove"})
    assert states(apart()["vendor"]) == [("costs.csv", "loaded")]
    assert [path.name for path in server.outgoing.iterdir()] == ["costs.csv.filepart"]


def test_a_file_goes_with_its_marker(
    server: Server, source: dict[str, Any], configure: Configure, apart: Apart
) -> None:
    configure(vendor={**source, "after": "remove", "marker": "{name}.done"})
    (server.outgoing / "costs.csv").write_text(COSTS.replace("5", "70"))
    assert states(apart()["vendor"]) == [("costs.csv", "waiting")]
    (server.outgoing / "costs.csv.done").touch()
    assert states(apart()["vendor"]) == [("costs.csv", "loaded")]
    assert list(server.outgoing.iterdir()) == []


def test_what_is_refused_is_tried_again_when_it_changed_or_somebody_says_so(
    settings: Settings, server: Server, source: dict[str, Any], configure: Configure, apart: Apart
) -> None:
    configure(vendor=source)
    (server.outgoing / "costs.csv").write_text("SchoolId\n")
    refused = apart()["vendor"]
    assert refused.state == "refused" and "costs.csv:1: missing columns PilotId" in refused.message
    assert put_away(settings, "vendor", "quarantine") == ["costs.csv", "costs.csv.reason.txt"]
    assert (apart()["vendor"].state, apart(again=True)["vendor"].state) == ("done", "refused")
    (server.outgoing / "costs.csv").write_text(COSTS)
    assert states(apart()["vendor"]) == [("costs.csv", "loaded")]


def test_a_password_comes_from_a_private_file_and_is_shown_nowhere(
    server: Server,
    source: dict[str, Any],
    configure: Configure,
    apart: Apart,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    own = {name: value for name, value in source.items() if name != "client_key"}
    configure(vendor={**own, "password": {"file": str(secret)}})
    secret.chmod(0o644)
    refused = apart()["vendor"]
    assert refused.state == "failed" and "chmod 600" in refused.message
    secret.chmod(0o600)
    assert apart()["vendor"].state == "done"
    secret.write_text("another")
    assert "takes neither key nor password of district" in apart()["vendor"].message
    assert PASSWORD not in caplog.text


def test_a_server_that_is_not_the_one_that_is_known_gets_nothing(
    server: Server, source: dict[str, Any], configure: Configure, apart: Apart, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {other}")
    (server.outgoing / "costs.csv").write_text(COSTS)
    configure(
        changed={**source, "known_hosts": str(known)},
        unknown={**source, "known_hosts": str(tmp_path / "nowhere")},
        down={**source, "port": 1},
        good=source,
    )
    done = apart()
    assert {name: one.state for name, one in done.items()} == {
        "changed": "failed",
        "unknown": "failed",
        "down": "failed",
        "good": "done",
    }
    assert "the server's key is not the one in" in done["changed"].message
    assert "ssh-keyscan -p" in done["unknown"].message
    assert "no connection" in done["down"].message
