"""Feeds of the reference district: ``python -m benchmarks.feeds [--home DIR]``.

The home is one by ``benchmarks.reference_district``, made first where none is given; keys, ways and feeds are written
into it, so give a copy. Registers a key for every school and writes all feeds by the
command that the DAG starts, twice: the first is whole, before the second every school counts as having been sent the
first. Then delivers them to folders. Prints wall and processor seconds (of the command and its processes).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyrage
import yaml

from answers import feed_access, feed_folders
from answers.pinned_releases import Reader
from benchmarks import reference_district
from cairn.settings import REPOSITORY, Settings

GOAL_SECONDS = 180.0


def command(settings: Settings, *words: str) -> tuple[dict[str, Any], float, float]:
    """What a ``cairn feeds`` command says as JSON, its wall seconds and its processor seconds."""
    began, used = time.monotonic(), os.times()
    environment = os.environ | settings.environment() | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "feeds", *words, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    now = os.times()
    spent = now.children_user + now.children_system - used.children_user - used.children_system
    return json.loads(done.stdout), time.monotonic() - began, spent


def measure(settings: Settings, drop: Path) -> list[str]:
    """The lines of the report."""
    release = Reader(settings).current("learning")
    assert release is not None  # main has looked
    schools = [row["school_id"] for row in release.rows("select school_id from mart_school order by school_id")]
    key = str(pyrage.x25519.Identity.generate().to_public())
    for school in schools:
        feed_access.set_keys(settings, school, [key])
        (drop / feed_folders.folder_name(school)).mkdir()
    ways = {one: [{"kind": "folder", "path": str(drop / feed_folders.folder_name(one))}] for one in schools}
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "feeds.yaml").write_text(yaml.safe_dump({"schools": ways}))
    lines = [f"{len(schools)} schools, release {release.release_id}, {os.cpu_count()} processors"]
    for name in ("write, the first", "write, the next"):
        result, wall, spent = command(settings, "write")
        lines.append(_line(name, wall, spent, f"{result['files']:,} files"))
        for school in schools:
            folder = feed_folders.folder(settings, release.data_date.isoformat(), school)
            feed_folders.remember_sent(settings, folder, school)
    result, wall, spent = command(settings, "deliver")
    size = sum(path.stat().st_size for path in drop.rglob("*.age"))
    lines.append(_line("deliver to folders", wall, spent, f"{result['delivered']} feeds, {size >> 20:,} MiB sealed"))
    return [*lines, f"goal: {GOAL_SECONDS:.0f} s for a write; load {os.getloadavg()[0]:.1f}"]


def _line(name: str, wall: float, spent: float, more: str) -> str:
    return f"{name:<20}{wall:>8.1f} s  {spent:>8.1f} s of processors  {more}"


def main() -> None:
    """Measure over a home."""
    parser = argparse.ArgumentParser(description="Write and deliver the feeds of a home, measured.")
    parser.add_argument("--home", type=Path, help="a reference district that stands; a temporary one if absent")
    given = parser.parse_args().home
    with tempfile.TemporaryDirectory(prefix="cairn-feeds-") as folder:
        settings = Settings(home=given or Path(folder) / "home")
        if given is None:
            reference_district.make(settings, reference_district.ATTEMPTS, has_pilots=False)
        elif Reader(settings).current("learning") is None:
            parser.error(f"{settings.home} has no release: make it with 'python -m benchmarks.reference_district'")
        drop = Path(folder) / "drop"
        drop.mkdir()
        print("\n".join(measure(settings, drop)))


if __name__ == "__main__":
    main()
