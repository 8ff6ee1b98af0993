"""``python -m benchmarks [NAME ...]``: run the benchmarks and write docs/reference/benchmarks.md.

Every figure is printed by the module that measured it, beside its peer in the same run: compare ratios, not seconds.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime

from benchmarks import mastery_pybkt, suppression
from cairn.settings import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "benchmarks.md"
RESPONSES = REPOSITORY.parent / "shared" / "data" / "responses"
REAL = RESPONSES / "dkvmn_assist2015.parquet"
PYBKT_FILES = ("lkt_memphis", "gervet_algebra05_test", "dkvmn_assist2015", "akt_assist2017_pid", "pybktex_glops")
# name -> (what it shows, the command)
BENCHMARKS = {
    "intake": ("Kafka to silver beside reading the same topic to noop", ["benchmarks.intake", "100000"]),
    "intake beside 20 million events": (
        "The same where 20 million events were accepted before",
        ["benchmarks.intake", "100000", "--standing-keys", "20000000"],
    ),
    "intake keys": (
        "A batch of 500 events against 1, 20 and 100 million accepted before (7 GB of disk meanwhile)",
        ["benchmarks.intake_keys"],
    ),
    "gateway": (
        "Statements taken a processor second, durable in the broker, beside Ralph without a store (RALPH_PYTHON)",
        ["benchmarks.gateway", "speed"],
    ),
    "gateway answers": (
        "Answer times at 500 statements a second, each in a request of its own, acknowledged by the broker",
        ["benchmarks.gateway", "answers"],
    ),
    "intake burst": (
        "5,000 statements a second for a minute: what is answered, what is on the topic, what the memory does",
        ["benchmarks.gateway", "burst"],
    ),
    "mastery year": (
        "A district's year of mastery and one more night, beside one process of polars and numba",
        ["benchmarks.mastery_year", "20000000", "--peer", "--json"],
    ),
    "pilots twenty": (
        "Twenty active pilots with 60,000 pupils: marts, evaluation as its DAG runs it, card page and PDF",
        ["benchmarks.pilots_twenty"],
    ),
    "portal": (
        "Fifty readers at once on the reference district, each a page every three seconds (makes the district first)",
        ["benchmarks.portal"],
    ),
    "feeds": (
        "Feeds of 100 schools written twice, signed, sealed and delivered (makes the reference district first)",
        ["benchmarks.feeds"],
    ),
    "marts": (
        "dbt's build of the reference district beside the same SQL by hand in DuckDB (makes the district first)",
        ["benchmarks.marts"],
    ),
    "six o'clock": (
        "From 02:00 to feeds out: 600,000 new events over a standing year of 20 million attempts",
        ["benchmarks.six_oclock"],
    ),
    "live": (
        "From an event sent to its row in the live table, at 500 a second, with a million attempts counted before",
        ["benchmarks.live"],
    ),
    "suppression": (
        "Cells left out of twenty random tables so that totals give back no small count, beside pytauargus's optimum",
        ["benchmarks.suppression"],
    ),
    "mastery": (
        "Fit and forward pass of Bayesian Knowledge Tracing, which is compared with, beside numpy and plain Python",
        ["benchmarks.mastery", *([str(REAL)] if REAL.exists() else [])],
    ),
    "mastery pybkt": (
        "The same fit beside pyBKT's (C++): same pupils, same start, 100 rounds each, unbounded, one thread",
        ["benchmarks.mastery_pybkt", *(str(RESPONSES / f"{name}.parquet") for name in PYBKT_FILES)],
    ),
}


def reason_to_skip(name: str) -> str | None:
    """Why a benchmark cannot be run here; None where it can. Named alone, such a benchmark fails and says the same."""
    if name == "suppression":
        return None if suppression.peer_python() else suppression.MISSING
    if name != "mastery pybkt":
        return None
    if not mastery_pybkt.is_installed():
        return mastery_pybkt.MISSING
    missing = [f"{file}.parquet" for file in PYBKT_FILES if not (RESPONSES / f"{file}.parquet").exists()]
    return f"{', '.join(missing)} is not in {RESPONSES}" if missing else None


def run(name: str) -> str:
    """The section of one benchmark: what, the command, what it printed."""
    about, arguments = BENCHMARKS[name]
    shown = " ".join(["python -m", *(argument.rsplit("/", 1)[-1] for argument in arguments)])
    sys.stderr.write(f"{name}: {shown}\n")
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return f"## {name}\n\n{about}. `{shown}`\n\n```\n{done.stdout.strip()}\n```\n"


def _sections_of(page: str) -> dict[str, str]:
    """The page's sections by heading: those that are not measured now stay as they are."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].removeprefix("## "): part for part in parts}


def main(names: list[str]) -> None:
    """Run those named (all where none is) and write them into the page."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    where = (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )
    head = (
        f"# Benchmarks\n\nWritten by `make bench` ({where}). Machines differ and other work disturbs: read the ratios, "
        "each measured beside its peer in one run.\n"
    )
    sections = _sections_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    for name in names or BENCHMARKS:
        if reason := reason_to_skip(name):
            if names:
                raise SystemExit(f"{name}: {reason}")
            sys.stderr.write(f"{name}: left out: {reason}\n")
            continue
        sections[name] = run(name)
    PAGE.write_text("\n".join([head, *sections.values()]), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
