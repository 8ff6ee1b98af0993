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
import resource
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

GOAL_SECONDS = 120.0
PAGE_GOALS_MS = {"card page": 300.0, "card PDF": 2_000.0}
AT_ONCE = 2
VIEWS = 10
PASSWORD = secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Part:
    """What a part took: wall seconds, seconds of processor time, and the most memory (MiB) of its processes together.

    Where other work shares the cores, half of the processor time is what two cores to themselves would take at least.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_mib: int


def measured(name: str, work: Callable[[], object]) -> Part:
    """Run the work of a part, which starts processes of this one."""
    say(name)
    peak = Peak(os.getpid())
    peak.start()
    began, used = time.perf_counter(), _cpu_seconds()
    work()
    seconds, used = time.perf_counter() - began, _cpu_seconds() - used
    peak.over.set()
    peak.join()
    return Part(name, seconds, used, peak.peak >> 20)


def _cpu_seconds() -> float:
    """Processor time of all processes that were started and have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


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


def viewed(client: httpx.Client, paths: Sequence[str]) -> list[float]:
    """Seconds of each view, one after the other."""

    def seconds(path: str) -> float:
        began = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{path} answered {answer.status_code}")
        return time.perf_counter() - began

    return [seconds(path) for path in paths]


def pages(client: httpx.Client, pilots: Sequence[str]) -> dict[str, list[float]]:
    """Seconds by page: the portal's first, each other card's first view, cards again, PDFs, the rollout."""
    cards = [f"/pilots/{pilot}" for pilot in pilots]
    return {
        "first page of a portal just started": viewed(client, cards[:1]),
        "card page, never looked at before": viewed(client, cards[1:]),
        "card page, again": viewed(client, cards),
        "card PDF": viewed(client, [f"{card}.pdf" for card in cards]),
        "rollout page, first": viewed(client, ["/rollout"]),
        "rollout page, again": viewed(client, ["/rollout"] * VIEWS),
    }


def _line(name: str, parts: Sequence[Part]) -> str:
    wall, cpu = sum(part.seconds for part in parts), sum(part.cpu_seconds for part in parts)
    return f"{name:<38}{wall:>8.1f} s{cpu:>10.1f} s{max(part.peak_mib for part in parts):>10,} MiB"


def report(parts: Sequence[Part], views: dict[str, list[float]], pilots: int) -> str:
    """The figures as a person reads them."""
    evaluation = [part for part in parts if part.name.startswith("evaluation")]
    lines = [
        f"{district.PUPILS:,} pupils, {district.SCHOOLS} schools, {pilots} active pilots of 20 schools each",
        f"{os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f}",
        f"{'':<38}{'wall':>10}{'processor':>12}{'memory':>14}",
        *(_line(part.name, [part]) for part in parts),
        _line("evaluation alone", evaluation),
        f"{_line('all of it', parts)}, goal {GOAL_SECONDS:g} s",
    ]
    for name, seconds in views.items():
        goal = next((f", goal {limit:g} ms" for page, limit in PAGE_GOALS_MS.items() if name.startswith(page)), "")
        most = f", most {1000 * max(seconds):.0f} ms" if len(seconds) > 1 else ""
        lines.append(f"{name:<38}{1000 * statistics.median(seconds):>8.0f} ms{most}{goal}")
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
            print(report(parts, pages(client, pilots), len(pilots)))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
