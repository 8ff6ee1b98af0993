"""Fifty readers at once on the reference district: ``python -m benchmarks.portal [--home DIR] [--processes N] ...``.

Each reader signs in over HTTP and opens a page every three seconds, as roles do at 06:10: thirty-eight school leaders
(own school, her classes and pupils, the files of the feed), eight of the central office, four engineers. Every answer
is counted: its status, its seconds from the moment it was due, its bytes. Then each page is opened alone, one after the
other, with the processor time that the portal took for it: what does not depend on what else the machine does. Views of
pages with names are set against the rows of the log of disclosures: a difference is a fault.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from answers.accounts import add_account
from answers.pinned_releases import Opened, Reader
from benchmarks import reference_district
from benchmarks.mastery_year import say
from cairn.settings import REPOSITORY, Settings
from identity.disclosure_log import list_disclosures

LEADERS, CENTRAL, ENGINEERS = 38, 8, 4
EVERY_SECONDS = 3.0
GOAL_MS = 150.0
ALONE = 12
# Of a core: the portal with nobody reading takes less.
AT_REST = 0.05
PASSWORD = secrets.token_urlsafe(16)
# Pages whose every view names pupils (a class with no work since the night names nobody).
NAMED = ("school", "pupil")


@dataclass(frozen=True)
class Person:
    """A reader: an account and the pages that it opens, each with its kind and how often it is chosen."""

    name: str
    role: str
    school_id: str | None
    pages: list[tuple[str, str, int]]


@dataclass
class Seen:
    """What came of the views of one kind of page."""

    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    errors: int = 0

    def percentile_ms(self, share: float) -> float:
        """The seconds that so many of the views stayed under, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def people(release: Opened, evaluation: Opened | None) -> list[Person]:
    """The readers, each with the addresses of her own pages."""
    schools = release.rows("select school_id from mart_school order by school_id limit ?", [LEADERS])
    pilots = evaluation.rows("select pilot_id from pilot_scorecard order by pilot_id") if evaluation else []
    cards = [("pilot", f"/pilots/{row['pilot_id']}", 1) for row in pilots[:6]]
    shared = [("pilots", "/pilots", 2), *cards, ("rollout", "/rollout", 2)] if evaluation else []
    tables = ("mart_student_competency", "mart_needs_adult", "gold.mastery_state")
    lineages = [("table", f"/operations/tables/{name}", 1) for name in tables]
    found = [_leader(release, number, row["school_id"]) for number, row in enumerate(schools)]
    for number in range(CENTRAL):
        pages = [("overview", "/", 8), ("operations", "/operations", 1), *shared]
        found.append(Person(f"central-{number}", "central_office", None, pages))
    for number in range(ENGINEERS):
        found.append(Person(f"engineer-{number}", "engineer", None, [("operations", "/operations", 8), *lineages]))
    return found


def _leader(release: Opened, number: int, school_id: str) -> Person:
    """A leader opens her school, then pupils who need an adult and her classes."""
    query = "select distinct student_key from mart_needs_adult where school_id = ? order by 1 limit 20"
    pupils = [row["student_key"] for row in release.rows(query, [school_id])]
    query = "select distinct class_id from mart_class_attention where school_id = ? order by 1 limit 6"
    classes = [row["class_id"] for row in release.rows(query, [school_id])]
    address = f"/schools/{school_id}"
    pages = [("school", address, 24), ("files", f"{address}/feed", 3)]
    pages += [("pupil", f"/students/{key}", 1) for key in pupils]
    pages += [("class", f"{address}/classes/{one}", 1) for one in classes]
    return Person(f"leader-{number}", "school_leader", school_id, pages)


@contextmanager
def served(settings: Settings, log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Address and process of a portal over the home, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "portal.app", "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as server:
        try:
            _wait(base, server)
            yield base, psutil.Process(server.pid)
        finally:
            server.terminate()


def _wait(base: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("the portal ended before it answered")
        try:
            httpx.get(f"{base}/health", trust_env=False, timeout=30)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the portal did not answer within a minute")


def signed_in(base: str, person: Person) -> httpx.Client:
    """A browser that has signed in as the person."""
    client = httpx.Client(base_url=base, trust_env=False, timeout=120)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    if token is None:
        raise SystemExit("the page of signing in has no form")
    answer = client.post("/login", data={"csrf": token[1], "name": person.name, "password": PASSWORD})
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise SystemExit(f"{person.name} could not sign in: {answer.status_code}")
    return client


def read(client: httpx.Client, person: Person, seconds: float, seed: int) -> list[tuple[str, float, int, bool]]:
    """Open a page every three seconds: (kind, seconds since it was due, bytes, whether it came)."""
    rng = random.Random(seed)
    weights = [weight for _, _, weight in person.pages]
    due = time.perf_counter() + rng.random() * EVERY_SECONDS
    until, found = time.perf_counter() + seconds, []
    while due < until:
        kind, address, _ = rng.choices(person.pages, weights)[0]
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            answer = client.get(address)
            is_right, size = answer.status_code == httpx.codes.OK, len(answer.content)
        except httpx.HTTPError:
            is_right, size = False, 0
        found.append((kind, time.perf_counter() - due, size, is_right))
        due += EVERY_SECONDS
    return found


def together(clients: Sequence[httpx.Client], readers: Sequence[Person], seconds: float) -> dict[str, Seen]:
    """All readers at once, by kind of page."""
    views: list[list[tuple[str, float, int, bool]]] = [[] for _ in readers]

    def one(number: int) -> None:
        views[number] = read(clients[number], readers[number], seconds, number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(readers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found: dict[str, Seen] = defaultdict(Seen)
    for kind, took, size, is_right in (view for of_one in views for view in of_one):
        found[kind].seconds.append(took)
        found[kind].sizes.append(size)
        found[kind].errors += not is_right
    return found


def alone(client: httpx.Client, person: Person, server: psutil.Process) -> dict[str, tuple[float, float]]:
    """By kind of page: milliseconds of the wall (median) and of the processor (mean), opened one after the other."""
    found = {}
    for kind in dict.fromkeys(kind for kind, _, _ in person.pages):
        addresses = [address for one, address, _ in person.pages if one == kind]
        client.get(addresses[0])
        used, took = cpu_seconds(server), []
        for number in range(ALONE):
            began = time.perf_counter()
            client.get(addresses[number % len(addresses)])
            took.append(time.perf_counter() - began)
        used = cpu_seconds(server) - used
        found[kind] = (1000 * sorted(took)[ALONE // 2], 1000 * used / ALONE)
    return found


def cpu_seconds(server: psutil.Process) -> float:
    """Processor time of the portal's processes so far."""
    processes = [server, *server.children(recursive=True)]
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def settle(server: psutil.Process) -> None:
    """Wait until the portal rests, as at 06:10: what a release's pages need was made hours before.

    Raises SystemExit where it does not within three minutes.
    """
    for _ in range(90):
        used = cpu_seconds(server)
        time.sleep(2.0)
        if cpu_seconds(server) - used < AT_REST * 2.0:
            return
    raise SystemExit("the portal did not come to rest within three minutes")


def measure(settings: Settings, seconds: float) -> str:
    """Sign in, read together, read alone; the figures in words. Raises SystemExit where a view was not written down."""
    pinned = Reader(settings).pin()
    if pinned.learning is None:
        raise SystemExit(f"{settings.home} has no release: make one with 'python -m benchmarks.reference_district'")
    readers = people(pinned.learning, pinned.evaluation)
    for person in readers:
        add_account(settings, person.name, person.role, person.school_id, PASSWORD, replace=True)
    before = len(list_disclosures(settings))
    log = Path(tempfile.mkdtemp(prefix="benchmark-portal-")) / "portal.log"
    try:
        with served(settings, log) as (base, server):
            clients = [signed_in(base, person) for person in readers]
            say(f"{len(readers)} readers have signed in")
            settle(server)
            used = cpu_seconds(server)
            found = together(clients, readers, seconds)
            share = (cpu_seconds(server) - used) / seconds
            single: dict[str, tuple[float, float]] = {}
            for place in (0, LEADERS, LEADERS + CENTRAL):
                single |= {k: v for k, v in alone(clients[place], readers[place], server).items() if k not in single}
            pages_alone = sum((ALONE + 1) for kind in single if kind in NAMED)
            memory = sum(one.memory_info().rss for one in [server, *server.children(recursive=True)])
    finally:
        shutil.rmtree(log.parent, ignore_errors=True)
    named = sum(len(found[kind].seconds) - found[kind].errors for kind in NAMED) + pages_alone
    purposes = ("school page", "pupil page")
    logged = sum(row["purpose"] in purposes for row in list_disclosures(settings)[before:])
    if logged < named:
        raise SystemExit(f"{named:,} views showed names and {logged:,} are in the log of disclosures")
    told = f"views with names {named:,}, in the log of disclosures {logged:,}"
    return f"{report(settings, found, single, share, memory >> 20)}\n{told}"


def report(
    settings: Settings, found: dict[str, Seen], single: dict[str, tuple[float, float]], share: float, memory_mib: int
) -> str:
    """A table a kind of page."""
    views = sum(len(seen.seconds) for seen in found.values())
    lines = [
        f"{LEADERS + CENTRAL + ENGINEERS} readers, a page every {EVERY_SECONDS:g} s each, {views:,} views; "
        f"{settings.portal_processes} processes of the portal, {memory_mib:,} MiB",
        f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}; the portal used {share:.2f} of a core",
        f"{'':<12}{'views':>7}{'errors':>8}{'p50 ms':>9}{'p95 ms':>9}{'most ms':>9}{'kB':>7}"
        f"{'alone ms':>10}{'cpu ms':>9}   goal p95 {GOAL_MS:g} ms",
    ]
    for kind, seen in sorted(found.items()):
        middle, late, most = (seen.percentile_ms(one) for one in (0.5, 0.95, 1.0))
        wall, cpu = single.get(kind, (0.0, 0.0))
        size = sum(seen.sizes) / len(seen.sizes) / 1000
        lines.append(
            f"{kind:<12}{len(seen.seconds):>7,}{seen.errors:>8}{middle:>9.0f}{late:>9.0f}{most:>9.0f}{size:>7.0f}"
            f"{wall:>10.0f}{cpu:>9.0f}{'' if late <= GOAL_MS else '   missed'}"
        )
    return "\n".join(lines)


def main() -> None:
    """Make the district where no home is given, read, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a reference district that stands; a temporary one if absent")
    parser.add_argument("--processes", type=int, default=2, help="portal_processes")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long the fifty read")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="benchmark-portal-home-"))
    settings = Settings(home=home, portal_processes=given.processes)
    try:
        if given.home is None:
            reference_district.make(settings, reference_district.ATTEMPTS, has_pilots=True)
        print(measure(settings, given.seconds))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
