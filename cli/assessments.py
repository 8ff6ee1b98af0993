"""``cairn assessments``: assessment results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.assessments_layout import app as layout_app
from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load assessment results.", no_args_is_help=True)
app.add_typer(layout_app, name="layout")


COUNTS = ("rows", "results", "repeated", "rejected", "unknown_columns")


@app.callback()
def group() -> None:
    """Load assessment results."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="The vendor's CSV file.")],
    layout: Annotated[
        str, typer.Option(help="Name of the layout, a file in layouts/ of the district's configuration.")
    ],
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load a vendor's file of results by its layout.

    Example: cairn assessments load fall.csv --layout nwea_map_growth
    """
    from cairn.settings import settings
    from loading import load_assessments

    say(f"loading {path.name} ...")
    result = load_assessments(settings(), path, layout)
    finish_load("assessments", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
