"""``cairn competencies``: CASE frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Load CASE frameworks.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Load CASE frameworks."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="CASE package (CFPackage) as JSON.")],
    as_json: JsonOption = False,
) -> None:
    """Load a CASE package: competencies, and what comes before what.

    Example: cairn competencies load framework.json
    """
    from cairn.settings import settings
    from cli.summaries import load_summary, say_problems
    from loading import load_competencies

    say(f"loading {path.name} ...")
    result = load_competencies(settings(), path)
    say_problems(result)
    emit(
        result,
        as_json,
        lambda done: load_summary(
            "competencies", ("items", "associations", "prerequisites", "replaced", "rejected"), done
        ),
    )
