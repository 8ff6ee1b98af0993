"""``cairn competencies``: CASE frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load CASE frameworks.", no_args_is_help=True)


COUNTS = ("items", "associations", "prerequisites", "replaced", "rejected")


@app.callback()
def group() -> None:
    """Load CASE frameworks."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="CASE package (CFPackage) as JSON.")],
    allow_mass_end: Annotated[
        bool, typer.Option("--allow-mass-end", help="Take a package that ends most of what its framework had.")
    ] = False,
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load a CASE package: competencies, and what comes before what.

    Example: cairn competencies load framework.json
    """
    from cairn.settings import settings
    from loading import load_competencies

    say(f"loading {path.name} ...")
    result = load_competencies(settings(), path, allow_mass_end=allow_mass_end)
    finish_load("competencies", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
