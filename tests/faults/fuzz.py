"""A mutating fuzzer of the gateway: whatever comes, one stable answer below 500, no exception, bounded memory.

``python -m tests.faults.fuzz --inputs 1000000 [--seed S] [--only NUMBER]``

The gateway is the real ASGI application with a committer that accepts; a share of the requests goes through the HTTP
server that serves it in the stack, with heads that lie about lengths. Each input is made of the seed and its number:
``--only`` does one of them again.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import psutil
import uvicorn

from cairn.settings import Settings
from infra.ports import free_port
from streaming.gateway import Gateway
from streaming.limits import RecentEvents
from streaming.producer import Fate, GroupCommitter
from streaming.sent import SentStatements
from streaming.sources import Mode, SourceRegistry
from streaming.transactions import Message
from tests.faults.mutations import Material, Request, load_material, requests
from tests.needs import SHARED

# So many of a hundred inputs are asked twice, and so many go through the HTTP server.
ASKED_TWICE_PCT, THROUGH_SERVER_PCT = 12, 1
# An answer takes a millisecond or two; this one would hold a gateway up.
LONGEST_SECONDS = 10.0
PROGRESS_EVERY = 10_000
MIB = 1 << 20
# What the gateway remembers (what was sent, which events came) is bounded; here so low that it is full soon. From this
# share of the inputs on the process may vary by so much, but not grow.
MOST_REMEMBERED = 5_000
WARM_SHARE = 0.4
MOST_GROWTH_MIB = 48.0


class AcceptingCommitter(GroupCommitter):
    """Says of each request at once that it is committed; nothing is sent anywhere."""

    def __init__(self) -> None:
        self.is_connected = True

    def start(self) -> GroupCommitter:
        """Nothing to connect to."""
        return self

    @property
    def is_full(self) -> bool:
        """Nothing ever waits."""
        return False

    def submit(self, messages: list[Message], done: Callable[[Fate], None]) -> bool:
        """Committed."""
        done(Fate.COMMITTED)
        return True

    def stop(self, timeout_seconds: float = 0.0) -> None:
        """Nothing to end."""


@dataclass
class Answer:
    """What came back."""

    status: int
    body: bytes

    def stable(self) -> tuple[int, Any]:
        """What must be the same when the same request comes again."""
        try:
            told = json.loads(self.body) if self.body else None
        except ValueError:
            return self.status, None
        if isinstance(told, dict) and "accepted" in told:
            told = {**told, "accepted": len(told["accepted"])}
        elif isinstance(told, list):
            told = len(told)
        return self.status, told


@dataclass
class Found:
    """What a run found. ``memory``: inputs done and resident memory (MiB) at that point."""

    inputs: int = 0
    through_server: int = 0
    asked_twice: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0

    def growth_mib(self) -> float:
        """How much more memory the last part of the run takes than the part after warming up."""
        warm = [
            mib for done, mib in self.memory if self.inputs * WARM_SHARE <= done <= self.inputs * (WARM_SHARE + 0.2)
        ]
        last = [mib for done, mib in self.memory if done >= self.inputs * 0.8]
        return max(last) - max(warm) if warm and last else 0.0

    def summary(self) -> str:
        """The run in a few lines."""
        statuses = "  ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        curve = "  ".join(f"{done}: {mib:.0f}" for done, mib in self.memory[:: max(1, len(self.memory) // 12)])
        return (
            f"{self.inputs} inputs in {self.seconds:.0f} s ({self.inputs / max(self.seconds, 1e-9):.0f} a second),"
            f" {self.asked_twice} asked twice, {self.through_server} through the HTTP server\n"
            f"statuses  {statuses}\nresident MiB by inputs  {curve}  growth {self.growth_mib():+.0f}\n"
            f"problems  {len(self.problems)}"
        )


class Target:
    """The gateway in this process, its tokens, and its HTTP server."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        registry = SourceRegistry(self.settings)
        self.tokens = [
            registry.add(name, mode=mode)[1].encode() for name, mode in (("whole", Mode.STRICT), ("part", Mode.PARTIAL))
        ]
        registry.close()
        self.app = Gateway(self.settings, committer=AcceptingCommitter())
        self.app._recent, self.app._sent = RecentEvents(MOST_REMEMBERED), SentStatements(MOST_REMEMBERED)
        self._addresses = itertools.count(int(IPv4Address("10.0.0.0")))
        self.port = free_port()
        config = uvicorn.Config(
            self.app, port=self.port, loop="none", http="httptools", access_log=False, log_level="critical"
        )
        self.server = uvicorn.Server(config)

    def forget_sealed(self) -> None:
        """Originals of refusals would fill the disk of a long run."""
        for path in self.settings.sealed_dir.glob("*.seal"):
            path.unlink()

    async def ask(self, made: Request) -> Answer:
        """One request through the ASGI interface, from an address of its own.

        An address that shows wrong tokens is slowed down (429), so from one address the answer to a wrong token would
        hang on the requests before it.
        """
        size = max(1, -(-len(made.body) // made.chunks))
        pieces = [made.body[at : at + size] for at in range(0, len(made.body), size)] or [b""]
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": made.is_cut or piece is not pieces[-1]}
            for piece in pieces
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": made.method,
            "path": made.path,
            "query_string": made.query,
            "headers": list(made.headers.items()),
            "client": (str(IPv4Address(next(self._addresses))), 0),
        }
        await self.app(scope, receive, send)
        return Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))

    async def ask_server(self, made: Request, chance: random.Random) -> int:
        """One request over a socket, its length told rightly or not; 0 where the server hangs up without an answer."""
        length = chance.choice((len(made.body), len(made.body), len(made.body) + 9, max(0, len(made.body) - 9), -1))
        told = b"nine" if length < 0 else str(length).encode()
        query = b"?" + made.query if made.query else b""
        head = b"%s %s%s HTTP/1.1\r\n" % (made.method.encode(), made.path.encode(), query)
        lines = [b"host: localhost", b"connection: close", b"content-length: " + told]
        lines += [name + b": " + value for name, value in made.headers.items()]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head + b"\r\n".join(lines) + b"\r\n\r\n" + made.body)
            if writer.can_write_eof():
                writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), LONGEST_SECONDS)
        except ConnectionError:
            return 0
        finally:
            writer.close()
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def _one(target: Target, number: int, made: Request, chance: random.Random, found: Found) -> None:
    begun = time.monotonic()
    try:
        answer = await target.ask(made)
        again = await target.ask(made) if chance.randrange(100) < ASKED_TWICE_PCT else None
        server = await target.ask_server(made, chance) if chance.randrange(100) < THROUGH_SERVER_PCT else None
    except Exception as error:
        found.problems.append(f"{number}: {type(error).__name__}: {str(error)[:200]}")
        return
    found.statuses[answer.status] += 1
    if answer.status >= 500:
        found.problems.append(f"{number}: status {answer.status}")
    if again is not None:
        found.asked_twice += 1
        if again.stable() != answer.stable():
            found.problems.append(f"{number}: asked again, {answer.stable()} became {again.stable()}"[:600])
    if server is not None:
        found.through_server += 1
        if server >= 500:
            found.problems.append(f"{number}: status {server} from the HTTP server")
    if time.monotonic() - begun > LONGEST_SECONDS:
        found.problems.append(f"{number}: {time.monotonic() - begun:.0f} s")


async def _run(target: Target, material: Material, seed: str, numbers: range, say: Callable[[str], None]) -> Found:
    found = Found()
    serving = asyncio.create_task(target.server.serve())
    while not target.server.started:
        await asyncio.sleep(0.01)
    process, begun = psutil.Process(), time.monotonic()
    every = max(1, min(PROGRESS_EVERY, len(numbers) // 20))
    for number, made in requests(material, target.tokens, seed, numbers.start, numbers.stop):
        known = len(found.problems)
        await _one(target, number, made, random.Random(f"ways-{seed}-{number}"), found)
        for problem in found.problems[known:]:
            say(f"PROBLEM {problem}")
        found.inputs += 1
        if found.inputs % every == 0:
            found.seconds = time.monotonic() - begun
            found.memory.append((found.inputs, process.memory_info().rss / MIB))
            say(
                f"{found.inputs:9d} inputs  {found.inputs / found.seconds:6.0f} a second"
                f"  {found.memory[-1][1]:6.0f} MiB  problems {len(found.problems)}"
            )
            target.forget_sealed()
    found.seconds = time.monotonic() - begun
    target.server.should_exit = True
    await serving
    return found


def run(home: Path, fixtures: Path, seed: str, numbers: range, say: Callable[[str], None]) -> Found:
    """The inputs of these numbers; growth of memory is a problem where enough of them were done to tell."""
    target = Target(home)
    try:
        found = asyncio.run(_run(target, load_material(fixtures), seed, numbers, say))
    finally:
        target.app.sources.close()
    if found.growth_mib() > MOST_GROWTH_MIB:
        found.problems.append(f"memory grew by {found.growth_mib():.0f} MiB after warming up")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="A mutating fuzzer of the gateway.")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", default=None, help="of an earlier run")
    parser.add_argument("--only", type=int, default=None, help="one input of the seed, by its number")
    parser.add_argument("--folder", type=Path, help="where it writes meanwhile; one in memory saves half of the time")
    given = parser.parse_args(arguments)
    seed = given.seed or secrets.token_hex(4)
    numbers = range(given.inputs) if given.only is None else range(given.only, given.only + 1)
    print(f"seed {seed}  inputs {len(numbers)}", flush=True)
    home = Path(tempfile.mkdtemp(prefix="cairn-fuzz-", dir=given.folder))
    try:
        found = run(home, SHARED / "fixtures", seed, numbers, lambda line: print(line, flush=True))
    finally:
        shutil.rmtree(home)
    print(found.summary(), *found.problems[:50], sep="\n", flush=True)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
