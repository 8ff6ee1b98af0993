"""``cairn resources``: what to use when a pupil has not got a competency yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Load corrective resources by competency.", no_args_is_help=True)


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
    as_json: JsonOption = False,
) -> None:
    """Load the district's resources beside their competencies; what the file no longer names has ended.

    Example: cairn resources load resources.csv
    """
    from cairn.settings import settings
    from cli.summaries import load_summary, say_problems
    from loading import load_resources

    say(f"loading {path.name} ...")
    result = load_resources(settings(), path)
    say_problems(result)
    emit(
        result, as_json, lambda done: load_summary("resources", ("rows", "added", "changed", "ended", "rejected"), done)
    )
