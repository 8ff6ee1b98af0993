"""The gateway beside Ralph: ``python -m benchmarks.gateway [speed|answers|burst] [--ralph-python FILE]``.

``speed``: statements taken a processor second, at 1, 50 and 500 statements a request, 8 connections; the gateway
answers when a real broker has them (all in-sync replicas), in strict mode. With the Python of an environment that has
Ralph (ralph-malph[lrs,cli,backend-es]==5.1.0, requests, uvloop, httptools; it is no dependency of this project), Ralph
with two workers and a store that keeps nothing takes turns with it, and a ratio is told. ``answers``: answer times at
500 statements a second, each alone. ``burst``: 5,000 a second for a minute, in requests of 10; what was answered 200
is counted in the topic afterwards. Medians of the rounds; the load of the machine is told beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from cairn.settings import REPOSITORY, Settings
from infra.broker import start_broker
from infra.ports import free_port
from streaming.sources import SourceRegistry
from streaming.topics import ACTIVITY, committed, ensure_topics

ROUNDS = 3
BATCHES = (1, 50, 500)
READY_SECONDS = 120.0
RALPH_APP = Path(__file__).with_name("gateway_ralph_app.py")
RALPH_LOGIN = ("bench", "bench")
RALPH_HASH = "import bcrypt; print(bcrypt.hashpw(b'bench', bcrypt.gensalt(10)).decode())"


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], ready: str, **options: Any) -> Iterator[int]:
    """A server until the block ends; its process number once ``ready`` answers 200."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, **options)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(ready, auth=RALPH_LOGIN).status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[2]} did not start")
            time.sleep(0.2)
        time.sleep(1.0)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def load(url: str, header: str, pid: int, **options: float) -> dict[str, Any]:
    """One run of the generator (see ``benchmarks.http_load``)."""
    command = [sys.executable, "-m", "benchmarks.http_load", "--url", url, "--header", header, "--pid", str(pid)]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Gateway:
    """A broker, and a gateway of this code for each run."""

    def __init__(self, home: Path, bootstrap: str, processes: int) -> None:
        self.settings = Settings(home=home, kafka_bootstrap=bootstrap, gateway_processes=processes)
        ensure_topics(self.settings)
        registry = SourceRegistry(self.settings)
        self.token = registry.add("benchmark")[1]
        registry.close()

    def run(self, **options: float) -> dict[str, Any]:
        """A fresh gateway under one load."""
        address = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "streaming.gateway", "--port", address.rpartition(":")[2]]
        with running(command, self.settings.environment(), f"{address}/health", cwd=REPOSITORY) as pid:
            return load(f"{address}/xapi/statements", f"Authorization: Bearer {self.token}", pid, **options)


def run_ralph(python: str, folder: Path, **options: float) -> dict[str, Any]:
    """A fresh Ralph, which keeps nothing, under one load."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    hashed = subprocess.run([python, "-c", RALPH_HASH], check=True, capture_output=True, text=True).stdout.strip()
    agent = {"mbox": "mailto:bench@example.org"}
    user = {"agent": agent, "scopes": ["all"], "hash": hashed, "username": RALPH_LOGIN[0]}
    (folder / "auth.json").write_text(json.dumps([user]))
    address = f"http://127.0.0.1:{free_port()}"
    environment = {
        "PYTHONPATH": str(RALPH_APP.parent),
        "RALPH_APP_DIR": str(folder),
        "RALPH_AUTH_FILE": str(folder / "auth.json"),
        "RALPH_RUNSERVER_BACKEND": "fs",
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(folder / "store"),
    }
    command = [python, "-m", "uvicorn", f"{RALPH_APP.stem}:app", "--port", address.rpartition(":")[2]]
    command += ["--workers", "2", "--no-access-log", "--log-level", "warning"]
    with running(command, environment, f"{address}/whoami", cwd=folder) as pid:
        return load(f"{address}/xAPI/statements", "Authorization: Basic YmVuY2g6YmVuY2g=", pid, **options)


def speed(gateway: Gateway, ralph_python: str, seconds: float, rounds: int) -> None:
    """Print statements taken a processor second at each size of request, and Ralph's beside them."""
    rates: dict[tuple[str, int], list[float]] = {}
    loads: list[float] = []
    for _ in range(rounds):
        for batch in BATCHES:
            runs = {"gateway": gateway.run(batch=batch, seconds=seconds)}
            if ralph_python:
                runs["ralph"] = run_ralph(ralph_python, gateway.settings.home / "ralph", batch=batch, seconds=seconds)
            for name, result in runs.items():
                if set(result["answers"]) != {"200"}:
                    raise SystemExit(f"{name} answered {result['answers']}: nothing was measured")
                rates.setdefault((name, batch), []).append(result["taken_a_processor_second"])
                loads.append(result["load_average"])
                print(f"{name}, {batch} a request: {result}", file=sys.stderr, flush=True)
    print(f"statements taken a processor second, medians of {rounds} runs of {seconds:g} s, by turns")
    print(f"load average {min(loads)} to {max(loads)} on {os.cpu_count()} cores")
    print("statements a request     gateway (range)           Ralph without a store     ratio")
    for batch in BATCHES:
        told = f"{batch:>20}"
        for name in ("gateway", "ralph"):
            if found := rates.get((name, batch)):
                told += f"{statistics.median(found):>12,.0f} ({min(found):,.0f}-{max(found):,.0f})".ljust(26)
        if ralph_python:
            told += f"{statistics.median(rates['gateway', batch]) / statistics.median(rates['ralph', batch]):>9.2f}"
        print(told)


def answers(gateway: Gateway, seconds: float, rounds: int) -> None:
    """Print answer times at 500 statements a second, each in a request of its own."""
    for _ in range(rounds):
        result = gateway.run(batch=1, seconds=seconds, rate=500, connections=32)
        told = ", ".join(f"{name} {value} ms" for name, value in result["ms"].items())
        print(
            f"{told} (goal p99 50); {result['taken_a_second']:g}/s taken of 500 offered, {result['answers']}, "
            f"{result['processor_seconds'] / seconds:.2f} of a core, load average {result['load_average']}"
        )


def burst(gateway: Gateway, seconds: float) -> None:
    """Print what became of 5,000 statements a second, and what the gateway's memory did."""
    result = gateway.run(batch=10, seconds=seconds, rate=5_000, connections=256)
    if extra := set(result["answers"]) - {"200", "429"}:
        raise SystemExit(f"answered {extra} too: {result['answers']}")
    kept = sum(1 for _ in committed(gateway.settings, ACTIVITY))
    print(f"answers: {result['answers']}, of which 429 without Retry-After: {result['without_retry_after']}")
    print(f"{result['taken_a_second']:,.0f} statements a second taken of 5,000 offered, load {result['load_average']}")
    lost = result["statements_answered_200"] - kept
    print(
        f"answered 200: {result['statements_answered_200']:,} statements; on the topic: {kept:,}; lost: {max(0, lost)}"
    )
    print(f"answer times of those taken: {result['ms']} ms")
    print(f"memory of the gateway, MiB: {result['memory_mib']}")


def main() -> None:
    """Start a broker, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway")
    parser.add_argument("what", choices=("speed", "answers", "burst"), nargs="?", default="speed")
    parser.add_argument("--ralph-python", default=os.environ.get("RALPH_PYTHON", ""))
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="cairn-bench-"))
    broker = start_broker(home, Settings().cache_dir)
    try:
        gateway = Gateway(home, broker.bootstrap, asked.processes)
        if asked.what == "speed":
            speed(gateway, asked.ralph_python, asked.seconds or 10, asked.rounds)
        elif asked.what == "answers":
            answers(gateway, asked.seconds or 20, asked.rounds)
        else:
            burst(gateway, asked.seconds or 60)
    finally:
        broker.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
