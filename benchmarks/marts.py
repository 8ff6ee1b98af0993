"""dbt's build of the marts beside the same SQL by hand: ``python -m benchmarks.marts [--home DIR]``.

Builds every model and data test of the home's newest night with dbt, as a night does, then runs what dbt compiled in
the order of its graph by one DuckDB connection of another process into another file: models as ``create table as``,
tests as a count, models in Python by the function that they call. Prints seconds of the wall and of the processor of
both, and their ratio; fails where a table has not as many rows by hand as by dbt.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import reference_district
from benchmarks.mastery_year import say
from cairn.settings import REPOSITORY, Settings
from lake import share_function
from lake.dataset import EVERY, dataset
from releases import store, warehouse

GOAL = 2.0
HAND = "benchmarks.marts"
# Models in Python: the function that each calls, with the tables it takes.
PYTHON_MODELS = {
    "int_class_pace": ("releases.pace_rows", "paced", ("int_class_progress", "int_class_change", "stg_release")),
    "int_group_member": (
        "releases.group_rows",
        "grouped",
        ("int_group_need", "int_group_standing", "int_group_lock", "stg_release"),
    ),
}
Row = dict[str, Any]


def in_order(manifest: Row) -> Iterator[Row]:
    """Models, each after what it reads and before its own tests, then tests: what one runs one after the other."""
    nodes = {key: value for key, value in manifest["nodes"].items() if value["resource_type"] in ("model", "test")}
    done: set[str] = set()

    def visit(key: str) -> Iterator[Row]:
        if key in done or key not in nodes:
            return
        done.add(key)
        for parent in nodes[key]["depends_on"]["nodes"]:
            yield from visit(parent)
        yield nodes[key]

    for kind in ("model", "test"):
        for key in sorted(key for key, value in nodes.items() if value["resource_type"] == kind):
            yield from visit(key)


def compiled(target: Path, node: Row) -> str:
    """What dbt ran of a node."""
    path = target / "compiled" / str(node["package_name"]) / str(node["original_file_path"])
    return path.read_text(encoding="utf-8")


def by_hand(settings: Settings, path: Path) -> Row:
    """Run all of it into a new file; seconds by kind, and rows of each table."""
    target = warehouse.target_dir(settings)
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    versions = warehouse.night_versions(settings)
    connection = duckdb.connect(str(path), config={"memory_limit": settings.duckdb_memory_limit})
    connection.execute("set TimeZone = 'UTC'")
    share_function.register(connection, settings, versions.get(share_function.MODEL))
    for schema in ("bronze", "silver", "gold", "ops", "work"):
        connection.execute(f"create schema if not exists {schema}")
    for source in manifest["sources"].values():
        name = f"{source['schema']}.{source['name']}"
        lake_name = source["config"]["meta"].get("lake_table") or name
        connection.register(name.replace(".", "_"), dataset(settings, lake_name, EVERY, versions.get(lake_name)))
        connection.execute(f"create view {name} as from {name.replace('.', '_')}")
    seconds, rows, slow = {"model": 0.0, "test": 0.0}, {}, {}
    for node in in_order(manifest):
        began = time.perf_counter()
        kind = node["resource_type"]
        if kind == "model":
            table = f"{node['schema']}.{node['name']}"
            _make(connection, node, table, target)
            rows[node["name"]] = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
        else:
            connection.execute(f"select count(*) from ({node['compiled_code']})").fetchall()
        took = time.perf_counter() - began
        seconds[kind] += took
        slow[node["name"]] = round(took, 3)
    connection.close()
    slowest = dict(sorted(slow.items(), key=lambda one: -one[1])[:12])
    return {"seconds": seconds, "rows": rows, "slowest": slowest, "nodes": len(slow)}


def _make(connection: duckdb.DuckDBPyConnection, node: Row, table: str, target: Path) -> None:
    """One model's table."""
    if node["language"] == "sql":
        connection.execute(f"create table {table} as ({compiled(target, node)})")
        return
    module, function, needed = PYTHON_MODELS[node["name"]]
    tables = [connection.sql(f"from work.{name}").to_arrow_table() for name in needed]
    made = getattr(importlib.import_module(module), function)(*tables)  # noqa: F841  # DuckDB reads it by its name
    connection.execute(f"create table {table} as from made")


def timed(work: Callable[[], object]) -> tuple[float, float, Any]:
    """Seconds of the wall, and of the processor in processes that it starts."""
    began, used = time.perf_counter(), _cpu_seconds()
    found = work()
    return time.perf_counter() - began, _cpu_seconds() - used, found


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def measure(settings: Settings, data_date: date, rounds: int) -> str:
    """Both ways, in turn, ``rounds`` times; the least of each counts: what else the machine does falls on both."""
    context = warehouse.ReleaseContext.of(settings, data_date)
    folder = settings.releases_dir / "by_hand"
    dbt_runs, hand_runs = [], []
    with store.building(settings):
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: dbt build")
            dbt_runs.append(timed(lambda: warehouse.build_warehouse(settings, context)))
            counted = _counts(warehouse.building_path(settings))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            say("by hand")
            hand_runs.append(timed(lambda: _run_by_hand(settings, folder)))
            differing = [name for name, rows in hand_runs[-1][2]["rows"].items() if counted.get(name) != rows]
            if differing:
                raise SystemExit(f"not the same work: rows by hand differ from dbt's in {', '.join(sorted(differing))}")
        results = json.loads((warehouse.target_dir(settings) / "run_results.json").read_text(encoding="utf-8"))
        warehouse.clear_building(settings)
        shutil.rmtree(folder)
    return report(dbt_runs, hand_runs, results)


def _run_by_hand(settings: Settings, folder: Path) -> Any:
    command = [sys.executable, "-m", HAND, "--home", str(settings.home), "--by-hand", str(folder / "warehouse.duckdb")]
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"by hand failed: {done.stderr.strip()[-800:]}")
    return json.loads(done.stdout)


def _counts(path: Path) -> dict[str, int]:
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        return {
            name: connection.execute(f'select count(*) from "{schema}"."{name}"').fetchall()[0][0]
            for schema, name in tables
        }


def report(
    dbt_runs: Sequence[tuple[float, float, Any]], hand_runs: Sequence[tuple[float, float, Any]], results: Row
) -> str:
    """The figures as a person reads them."""
    built, hand = min(dbt_runs, key=lambda one: one[0]), min(hand_runs, key=lambda one: one[0])
    cpu = min(one[1] for one in dbt_runs), min(one[1] for one in hand_runs)
    inside = sum(result["execution_time"] for result in results["results"])
    said = hand[2]
    slow = sorted(results["results"], key=lambda one: -one["execution_time"])[:8]
    names = ", ".join(f"{one['unique_id'].split('.')[2]} {one['execution_time']:.1f}" for one in slow)
    by_hand_slow = ", ".join(f"{name} {took:.1f}" for name, took in list(said["slowest"].items())[:8])
    rows = sum(said["rows"].values())
    return "\n".join(
        [
            f"{len(said['rows'])} tables, {said['nodes'] - len(said['rows'])} tests, {rows:,} rows; "
            f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}",
            f"{'':<34}{'wall':>9}{'processor':>12}",
            f"{'dbt build, models and tests':<34}{built[0]:>7.1f} s{cpu[0]:>10.1f} s",
            f"{'  of it within models and tests':<34}{inside:>7.1f} s",
            f"{'the same SQL by hand':<34}{hand[0]:>7.1f} s{cpu[1]:>10.1f} s",
            f"{'  models':<34}{said['seconds']['model']:>7.1f} s",
            f"{'  tests':<34}{said['seconds']['test']:>7.1f} s",
            f"{'ratio (goal at most ' + f'{GOAL:g}' + ')':<34}{built[0] / hand[0]:>7.2f}{cpu[0] / cpu[1]:>12.2f}",
            f"slowest of dbt's, s: {names}",
            f"slowest by hand, s: {by_hand_slow}",
        ]
    )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a home with a published release; a temporary district if absent")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--by-hand", type=Path, help="of the child: the file to make")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="benchmark-marts-"))
    settings = Settings(home=home)
    if given.by_hand:
        print(json.dumps(by_hand(settings, given.by_hand)))
        return
    try:
        if given.home is None:
            reference_district.make(settings, reference_district.ATTEMPTS, has_pilots=False)
        release = store.current(settings, "learning")
        if release is None:
            raise SystemExit(f"{home} has no release: make one with 'python -m benchmarks.reference_district'")
        print(measure(settings, release.data_date, given.rounds))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
