"""``cairn up``, ``down``, ``status``, ``logs``, ``doctor``: the local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cairn.settings import settings
from cli.common import JsonOption, emit, say

app = typer.Typer(help="The local stack.", no_args_is_help=True)


def _table(result: dict[str, Any]) -> str:
    rows = [
        f"{row['name']:<22} {row['state']:<9} {row['address'] or '-':<28} {row['pid'] or '-'}"
        for row in result["services"]
    ]
    return "\n".join(rows)


@app.command()
def up(
    only: Annotated[str, typer.Option(help="Comma-separated services; what they need starts as well.")] = "",
    cluster: Annotated[bool, typer.Option("--cluster", help="A Spark master and workers beside the rest.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Workers of the cluster.")] = 2,
    worker_cores: Annotated[int, typer.Option(min=1, help="Cores of a worker.")] = 1,
    worker_memory: Annotated[
        int, typer.Option(min=512, help="Memory that a worker gives to executors, in MiB.")
    ] = 1024,
    as_json: JsonOption = False,
) -> None:
    """Start the local stack, or continue after a crash; returns when every service answers.

    Jars that the settings ask for and ``make setup`` has not fetched (a lake on S3) are fetched first.

    Example: cairn up --only broker,gateway
    """
    from infra import jars, stack
    from infra.spark_cluster import ClusterSize

    size = ClusterSize(workers, worker_cores, worker_memory) if cluster else None
    names = [name.strip() for name in only.split(",") if name.strip()]
    jars.ensure(settings(), say)
    services = stack.up(settings(), names or None, say, cluster=size)
    emit({"services": [service.as_dict() for service in services]}, as_json, _table)


@app.command()
def down(as_json: JsonOption = False) -> None:
    """Stop the local stack; nothing stays running.

    Example: cairn down
    """
    from infra import stack

    ended = stack.down(settings(), say)
    left = [process.pid for process in stack.leftovers(settings())]
    emit({"ended_apart": ended, "left": left}, as_json, lambda _: "the stack is down")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Services, states, addresses; a process is checked by its birth time, readiness is asked of the service.

    Example: cairn status --json
    """
    from infra import stack

    emit({"services": [service.as_dict() for service in stack.status(settings())]}, as_json, _table)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A service's name, or 'supervisor'.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come; end with Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """The last lines of a service's log.

    Example: cairn logs gateway --lines 20
    """
    from cairn.errors import UsageError

    folder = settings().logs_dir
    path = folder / f"{name}.log"
    if not path.exists():
        there = ", ".join(sorted(log.stem for log in folder.glob("*.log"))) or "none yet, start with 'cairn up'"
        raise UsageError(f"no log of {name!r} in {folder}; there are: {there}")
    kept = path.read_text(errors="replace").splitlines()[-lines:]
    emit({"name": name, "path": str(path), "lines": kept}, as_json, lambda result: "\n".join(result["lines"]))
    if follow and not as_json:
        _follow(path)


def _follow(path: Path) -> None:
    import time

    position = path.stat().st_size
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:  # rotated
            position = 0
        if size > position:
            with path.open("rb") as log:
                log.seek(position)
                text = log.read()
            position += len(text)
            typer.echo(text.decode(errors="replace"), nl=False)
        time.sleep(0.5)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check Python, packages, Java, jars, memory, disk, Chromium and the stack; each failure says what to do.

    Exit status 1 where something is missing that the platform needs (a browser is not).

    Example: cairn doctor
    """
    from infra.doctor import examine

    checks = examine(settings())
    result = {"checks": [check.as_dict() for check in checks]}
    emit(
        result,
        as_json,
        lambda _: "\n".join(
            f"{'ok  ' if check.is_fine else 'BAD '} {check.name:<12} {check.detail}" for check in checks
        ),
    )
    if any(not check.is_fine and check.name != "chromium" for check in checks):
        raise typer.Exit(1)
