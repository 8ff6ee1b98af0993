"""``cairn roster``: OneRoster packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load OneRoster packages.", no_args_is_help=True)


COUNTS = ("files", "rows", "added", "changed", "ended", "rejected")


@app.callback()
def group() -> None:
    """Load OneRoster packages."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="OneRoster package: a zip file or a folder with manifest.csv.")],
    allow_mass_end: Annotated[
        bool, typer.Option("--allow-mass-end", help="Take a bulk package that ends most of what is known.")
    ] = False,
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load a OneRoster 1.1 or 1.2 package: people into the vault, the rest into history.

    Example: cairn roster load roster.zip
    """
    from cairn.settings import settings
    from loading import load_roster

    say(f"loading {path.name} ...")
    result = load_roster(settings(), path, allow_mass_end=allow_mass_end)
    finish_load("roster", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
