"""``cairn resources``: what to use when a pupil has not got a competency yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load corrective resources by competency.", no_args_is_help=True)


COUNTS = ("rows", "added", "changed", "ended", "rejected")


@app.callback()
def group() -> None:
    """Load corrective resources by competency."""


@app.command()
def load(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV with competency (identifier or code), title, url and, if known, kind and minutes; the whole list."
        ),
    ],
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load the district's resources beside their competencies; what the file no longer names has ended.

    Example: cairn resources load resources.csv
    """
    from cairn.settings import settings
    from loading import load_resources

    say(f"loading {path.name} ...")
    result = load_resources(settings(), path)
    finish_load("resources", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
