"""``cairn items``: item alignments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load item alignments.", no_args_is_help=True)


COUNTS = ("rows", "added", "changed", "rejected", "unaligned")


@app.callback()
def group() -> None:
    """Load item alignments."""


@app.command()
def load(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV with item_id, competency_id and, if known, difficulty, valid_from_date, valid_to_date."
        ),
    ],
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load which item gives evidence of which competency, from when.

    Example: cairn items load items.csv
    """
    from cairn.settings import settings
    from loading import load_items

    say(f"loading {path.name} ...")
    result = load_items(settings(), path)
    finish_load("items", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
