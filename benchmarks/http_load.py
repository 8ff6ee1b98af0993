"""Sends xAPI statements to an address and measures it: a process of its own, told by arguments, one JSON object out.

``python -m benchmarks.http_load --url http://127.0.0.1:PORT/xapi/statements --header 'Authorization: ...' --batch 50
--pid PID``. Closed loop: every connection sends its next request when it has the answer to the last. Open loop
(``--rate``): requests fall due at so many statements a second, and an answer's time counts from then. A statement has
about 970 bytes; all bodies are made before the clock starts, only ids change. ``--pid`` counts the processor time of a
process and all below it, and the memory that they hold. Answers 200 are counted as taken.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvloop

# Caches fill, and what is compiled when it is first used is compiled.
WARMUP_SECONDS = 5.0
BODIES_A_CONNECTION = 64
PLACEHOLDER = "00000000-0000-4000-8000-000000000000"
BASE = "https://learn.example"


def statement(rng: random.Random) -> dict[str, Any]:
    """One answered question, as a learning platform sends it."""
    item, raw = rng.randrange(90_000), rng.randrange(11)
    return {
        "id": PLACEHOLDER,
        "actor": {
            "objectType": "Agent",
            "account": {"homePage": "https://sis.example", "name": f"st-{rng.randrange(60_000):08d}"},
        },
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"en-US": "answered"}},
        "object": {
            "objectType": "Activity",
            "id": f"{BASE}/items/{item:06d}",
            "definition": {
                "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
                "name": {"en-US": f"Fractions and ratios, question {item % 12 + 1}"},
                "interactionType": "numeric",
            },
        },
        "result": {
            "score": {"scaled": raw / 10, "raw": raw, "min": 0, "max": 10},
            "success": raw > 5,
            "completion": True,
            "response": str(rng.randrange(1_000)),
            "duration": f"PT{rng.uniform(3, 180):.1f}S",
        },
        "context": {
            "registration": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "platform": "Learn 5",
            "language": "en-US",
            "contextActivities": {
                "parent": [{"id": f"{BASE}/lessons/{item // 12:05d}"}],
                "grouping": [{"id": f"{BASE}/courses/{item % 400:04d}"}],
                "category": [{"id": f"{BASE}/competencies/c-{item % 420:04d}"}],
            },
        },
        "timestamp": (datetime.now(UTC) - timedelta(seconds=rng.random() * 600)).isoformat(timespec="milliseconds")[:-6]
        + "Z",
    }


class Body:
    """One request in one buffer, and where its ids stand."""

    def __init__(self, head: str, batch: int, rng: random.Random) -> None:
        rows = [json.dumps(statement(rng), separators=(",", ":")) for _ in range(batch)]
        body = (rows[0] if batch == 1 else f"[{','.join(rows)}]").encode()
        self.text = bytearray(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.places: list[int] = []
        at = 0
        for _ in rows:
            self.places.append(at := self.text.index(PLACEHOLDER.encode(), at))
            at += 1

    def fresh(self) -> bytearray:
        """With new ids."""
        noise = os.urandom(10 * len(self.places)).hex().encode()
        for number, place in enumerate(self.places):
            part = noise[20 * number : 20 * number + 20]
            self.text[place : place + 8] = part[:8]
            self.text[place + 24 : place + 36] = part[8:]
        return self.text


class Load:
    """All connections, and what they were answered."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        url = urlsplit(given.url)
        self.host, self.port = url.hostname or "127.0.0.1", url.port or 80
        lines = [f"POST {url.path} HTTP/1.1", f"Host: {url.netloc}", "Content-Type: application/json"]
        self.head = "\r\n".join([*lines, "X-Experience-API-Version: 1.0.3", *given.header, ""])
        rng = random.Random(1)
        each = max(2, min(BODIES_A_CONNECTION, 8_192 // given.batch // given.connections))
        self.bodies = [[Body(self.head, given.batch, rng) for _ in range(each)] for _ in range(given.connections)]
        self.codes: collections.Counter[str] = collections.Counter()
        self.seconds: list[float] = []
        self.without_retry_after = 0
        self.interval = given.batch / given.rate if given.rate else 0.0
        self.due = 0.0

    async def run(self) -> None:
        """Until the time is over; those that wait for an answer then get it still."""
        self.begin = time.monotonic() + 0.2
        self.start, self.due = self.begin + WARMUP_SECONDS, self.begin
        self.stop = self.start + self.given.seconds
        await asyncio.gather(*(self._connection(bodies) for bodies in self.bodies))

    async def _connection(self, bodies: list[Body]) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        turn = 0
        while (now := time.monotonic()) < self.stop:
            due = now
            if self.interval:
                due, self.due = self.due, self.due + self.interval
                if due >= self.stop:
                    break
                await asyncio.sleep(max(0.0, due - now))
            writer.write(bodies[turn % len(bodies)].fresh())
            turn += 1
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
            except (asyncio.IncompleteReadError, ConnectionError):
                self._count("lost", due)
                reader, writer = await asyncio.open_connection(self.host, self.port)
                continue
            code = head[9:12].decode()
            self.without_retry_after += code == "429" and b"retry-after:" not in head
            self._count(code, due)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _count(self, code: str, due: float) -> None:
        self.codes[f"all {code}"] += 1
        if self.start <= (now := time.monotonic()) < self.stop:
            self.codes[code] += 1
            if code == "200":
                self.seconds.append(now - due)


class Watch:
    """Processor time between the load's start and stop, and memory from before to after, of a process and all below."""

    def __init__(self, root: int) -> None:
        self.root = psutil.Process(root)
        self.memory = [self.held()]

    def seconds(self) -> float:
        """Processor seconds so far, with those of ended children."""
        return self._sum(lambda process: sum(process.cpu_times()[:4]))

    def held(self) -> int:
        """Bytes held now."""
        return int(self._sum(lambda process: process.memory_info().rss))

    def _sum(self, figure: Callable[[psutil.Process], float]) -> float:
        found = 0.0
        for process in (self.root, *self.root.children(recursive=True)):
            # One that has ended meanwhile counts with its parent.
            with contextlib.suppress(psutil.NoSuchProcess):
                found += figure(process)
        return found

    def follow(self, load: Load) -> None:
        """Look until the load stops."""
        time.sleep(max(0.0, load.start - time.monotonic()))
        first = self.seconds()
        while (left := load.stop - time.monotonic()) > 0:
            time.sleep(min(0.5, left))
            self.memory.append(self.held())
        self.used = self.seconds() - first


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """The object that is printed."""
    load = Load(given)
    watch = Watch(given.pid)
    loop = uvloop.new_event_loop()
    task = loop.create_task(load.run())
    loop.run_until_complete(asyncio.sleep(0))
    follower = threading.Thread(target=watch.follow, args=(load,))
    follower.start()
    loop.run_until_complete(task)
    follower.join()
    taken = load.codes["200"] * given.batch
    seconds = sorted(load.seconds)
    return {
        "taken_a_second": round(taken / given.seconds, 1),
        "processor_seconds": round(watch.used, 2),
        "taken_a_processor_second": round(taken / watch.used, 1) if watch.used else 0.0,
        "ms": {f"p{q}": round(1000 * seconds[min(len(seconds) - 1, len(seconds) * q // 100)], 1) for q in (50, 95, 99)}
        if seconds
        else {},
        "answers": {code: number for code, number in sorted(load.codes.items()) if not code.startswith("all ")},
        "statements_answered_200": load.codes["all 200"] * given.batch,
        "without_retry_after": load.without_retry_after,
        "memory_mib": {
            "before": watch.memory[0] >> 20,
            "most": max(watch.memory) >> 20,
            "after": watch.held() >> 20,
        },
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Send, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_load")
    parser.add_argument("--url", required=True)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.0, help="statements a second; as fast as it goes where 0")
    parser.add_argument("--pid", type=int, required=True)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
