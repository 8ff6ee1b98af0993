"""Twenty active pilots with 60,000 pupils: ``python -m benchmarks.pilots_twenty [--home DIR]``.

Makes the district of ``benchmarks.pilots_twenty_district`` in a new home and runs what a night and the DAG
``pilot_evaluation`` run, each as the ``cairn`` command that its task starts: the marts, the list of plans, one
evaluation a plan (two at a time, as two cores take them), and the release of all of them. Then the card page, its PDF
and the page of the rollout from a portal in a process of its own. Prints seconds by part and the most memory of the
processes of each. What Airflow itself adds to a task is not in it.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from answers.accounts import add_account
from benchmarks import pilots_twenty_district as district
from benchmarks.mastery_year import Peak, say
from cairn.settings import REPOSITORY, Settings

GOAL_SECONDS, PAGE_GOAL_MS, PDF_GOAL_SECONDS = 120.0, 300.0, 2.0
AT_ONCE = 2
VIEWS = 10
PASSWORD = secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Part:
    """What a part took: wall seconds, and the most memory (MiB) of its processes together."""

    name: str
    seconds: float
    peak_mib: int


def measured(name: str, work: Callable[[], object]) -> Part:
    """Run the work of a part, which starts processes of this one."""
    say(name)
    peak = Peak(os.getpid())
    peak.start()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    peak.over.set()
    peak.join()
    return Part(name, seconds, peak.peak >> 20)


def cairn(settings: Settings, *arguments: str) -> None:
    """Run one command as a task does. Raises SystemExit with its last words where it fails."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    done = subprocess.run(command, env=_environment(settings), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cairn {' '.join(arguments)} failed: {done.stderr.strip()[-600:]}")


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"CAIRN_HOME": str(settings.home), "PYTHONPATH": str(REPOSITORY)}


def run(settings: Settings, pilots: Sequence[str]) -> list[Part]:
    """The marts of the day, published, and the evaluation as the DAG runs it."""
    day = district.DATA_DATE.isoformat()

    def evaluate() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda pilot: cairn(settings, "pilots", "evaluate", pilot), pilots))

    return [
        measured("marts: build", lambda: cairn(settings, "marts", "build", "--date", day)),
        measured("marts: audit and publish", lambda: cairn(settings, "marts", "publish", "--date", day)),
        measured("evaluation: list of plans", lambda: cairn(settings, "pilots", "list", "--json")),
        measured(f"evaluation: {len(pilots)} plans, {AT_ONCE} at a time", evaluate),
        measured("evaluation: publish", lambda: cairn(settings, "marts", "publish", "--kind", "evaluation")),
    ]


@contextmanager
def portal(settings: Settings, log: Path) -> Iterator[httpx.Client]:
    """A client of a portal of its own that is signed in as the central office."""
    add_account(settings, "central", "central_office", password=PASSWORD, replace=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "portal.app", "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, env=_environment(settings), stdout=out, stderr=out) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
                yield _signed_in(client, server)
        finally:
            server.terminate()


def _signed_in(client: httpx.Client, server: subprocess.Popen[bytes]) -> httpx.Client:
    for _ in range(300):
        try:
            page = client.get("/login").text
            break
        except httpx.TransportError:
            if server.poll() is not None:
                raise SystemExit("the portal ended before it answered") from None
            time.sleep(0.1)
    else:
        raise SystemExit("the portal did not answer within 30 s")
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    if token is None:
        raise SystemExit("the portal's page of signing in has no form")
    client.post("/login", data={"csrf": token[1], "name": "central", "password": PASSWORD})
    return client


def viewed(client: httpx.Client, path: str) -> tuple[float, float]:
    """Seconds of the first view of a page after the portal's start, and the median of those after it."""

    def seconds() -> float:
        began = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{path} answered {answer.status_code}")
        return time.perf_counter() - began

    first = seconds()
    return first, statistics.median(seconds() for _ in range(VIEWS))


def report(parts: Sequence[Part], pages: dict[str, tuple[float, float]], pilots: int) -> str:
    """The figures as a person reads them."""
    total = sum(part.seconds for part in parts)
    evaluation = sum(part.seconds for part in parts if part.name.startswith("evaluation"))
    lines = [f"{district.PUPILS:,} pupils, {district.SCHOOLS} schools, {pilots} active pilots of 20 schools each"]
    lines += [f"{part.name:<40}{part.seconds:>8.1f} s {part.peak_mib:>8,} MiB" for part in parts]
    lines += [
        f"{'evaluation alone':<40}{evaluation:>8.1f} s",
        f"{'all of it':<40}{total:>8.1f} s (goal {GOAL_SECONDS:g})",
    ]
    goals = {"card page": f"{PAGE_GOAL_MS:g} ms", "card PDF": f"{1000 * PDF_GOAL_SECONDS:g} ms"}
    for name, (first, median) in pages.items():
        goal = f", goal {goals[name]}" if name in goals else ""
        lines.append(f"{name:<40}{1000 * median:>8.0f} ms (first view {1000 * first:.0f} ms{goal})")
    return "\n".join(lines)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="where to write; a temporary folder, removed afterwards, if absent")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="pilots-twenty-"))
    settings = Settings(home=home)
    try:
        began = time.perf_counter()
        pilots = [one.plan.pilot_id for one in district.write(settings)]
        say(f"district made in {time.perf_counter() - began:.0f} s")
        parts = run(settings, pilots)
        with portal(settings, home / "portal.log") as client:
            paths = {"card page": f"/pilots/{pilots[0]}", "card PDF": f"/pilots/{pilots[0]}.pdf", "rollout": "/rollout"}
            pages = {name: viewed(client, path) for name, path in paths.items()}
        print(report(parts, pages, len(pilots)))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
