"""``cairn pickup``: rosters and files fetched where others leave them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit, say

if TYPE_CHECKING:
    from loading.pickup.run import SourceOutcome
    from loading.pickup.take import FileOutcome

app = typer.Typer(help="Fetch rosters and files where others leave them, and load them.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Fetch rosters and files where others leave them, and load them."""


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Sources of pickup.yaml; all where none is named.")] = None,
    allow_mass_end: Annotated[
        bool, typer.Option("--allow-mass-end", help="Take a bulk roster that ends most of what is known.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Try once more what was refused and still lies at its source.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at every source once and load what is new and whole. Exit status 1 where something was refused or failed.

    Example: cairn pickup run sis-folder
    """
    from cairn.settings import settings
    from loading.pickup.run import run_pickup

    outcomes = run_pickup(settings(), names or (), allow_mass_end=allow_mass_end, again=again)
    for outcome in outcomes:
        _say_source(outcome)
    result = _result(outcomes)
    emit(result, as_json, _summary)
    bad = [outcome for outcome in outcomes if outcome.state != "done"]
    if bad:
        for outcome in bad:
            say(f"{outcome.state}: {outcome.name}: {outcome.message}")
        for outcome in bad:
            if outcome.unexpected is not None:
                raise outcome.unexpected
        raise typer.Exit(1)


@app.command(name="list")
def list_all(as_json: JsonOption = False) -> None:
    """Show the sources, how the last run of each ended, and what waits there.

    Example: cairn pickup list
    """
    from cairn.settings import settings
    from loading.pickup.overview import list_sources

    emit({"sources": list_sources(settings())}, as_json, _listing)


def _result(outcomes: list[SourceOutcome]) -> dict[str, Any]:
    counted: Counter[str] = sum((outcome.counted() for outcome in outcomes), Counter())
    return {
        "sources": [
            {
                "name": outcome.name,
                "kind": outcome.kind,
                "state": outcome.state,
                "message": outcome.message,
                "files": [_file(file) for file in outcome.files],
            }
            for outcome in outcomes
        ],
        "loaded": counted["loaded"],
        "loaded_in_part": counted["loaded_in_part"],
        "refused": counted["refused"],
        "waiting": counted["waiting"],
        "known": counted["known"],
        "failed": sum(outcome.state == "failed" for outcome in outcomes),
    }


def _file(file: FileOutcome) -> dict[str, Any]:
    return {
        "name": file.name,
        "load": file.load,
        "layout": file.layout,
        "state": file.state,
        "reason": file.reason,
        "rows": file.row_count,
        "rejected": file.rejected,
        "problems": file.problems,
    }


def _say_source(outcome: SourceOutcome) -> None:
    if outcome.state == "done" and not outcome.files:
        say(f"{outcome.name}: {outcome.message or 'nothing new'}")
    for file in outcome.files:
        say(f"{outcome.name}: {file.name}: {file.state.replace('_', ' ')}{f' ({file.reason})' if file.reason else ''}")
        for line in file.problems:
            say(f"  refused  {line}")


def _summary(done: dict[str, Any]) -> str:
    if not done["sources"]:
        return "pickup: no source in pickup.yaml"
    keys = ("loaded", "loaded_in_part", "refused", "waiting", "known", "failed")
    return f"pickup: sources {len(done['sources'])}, " + ", ".join(f"{k.replace('_', ' ')} {done[k]}" for k in keys)


def _listing(done: dict[str, Any]) -> str:
    if not done["sources"]:
        return "no source in pickup.yaml"
    lines = []
    for one in done["sources"]:
        ran = f", last run {one['last_run_at']:%Y-%m-%d %H:%M} UTC" if one["last_run_at"] else ""
        lines.append(f"{one['name']}: {one['kind']} {one['where']}: {one['state']}{ran}")
        if one["message"]:
            lines.append(f"  {one['message']}")
        lines += [f"  waits: {name}" for name in one["waiting"]]
    return "\n".join(lines)
