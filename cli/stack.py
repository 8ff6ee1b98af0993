"""``cairn up``, ``down``, ``status``, ``logs``, ``doctor``: the local stack."""

from __future__ import annotations

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
    as_json: JsonOption = False,
) -> None:
    """Start the local stack, or continue after a crash; returns when every service answers.

    Example: cairn up --only broker,gateway
    """
    from infra import stack

    services = stack.up(settings(), [name.strip() for name in only.split(",") if name.strip()] or None, say)
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
