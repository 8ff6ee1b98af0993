"""``cairn roster``: OneRoster packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Load OneRoster packages.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Load OneRoster packages."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="OneRoster package: a zip file or a folder with manifest.csv.")],
    allow_mass_end: Annotated[
        bool, typer.Option("--allow-mass-end", help="Take a bulk package that ends most of what is known.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a OneRoster 1.1 or 1.2 package: people into the vault, the rest into history.

    Example: cairn roster load roster.zip
    """
    from cairn.settings import settings
    from cli.summaries import load_summary, say_problems
    from loading import load_roster

    say(f"loading {path.name} ...")
    result = load_roster(settings(), path, allow_mass_end=allow_mass_end)
    say_problems(result)
    emit(
        result,
        as_json,
        lambda done: load_summary("roster", ("files", "rows", "added", "changed", "ended", "rejected"), done),
    )
