"""``cairn facts``: attendance, costs, dosage, milestones, actions, teachers' words and other facts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(
    help="Load attendance, costs, dosage, milestones, actions, teachers' words and other facts.", no_args_is_help=True
)


COUNTS = ("rows", "results", "repeated", "rejected", "unknown_columns")


@app.callback()
def group() -> None:
    """Load attendance, costs, dosage, milestones, actions, teachers' words and other facts."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="CSV file of facts.")],
    layout: Annotated[
        str, typer.Option(help="Name of the layout, a file in layouts/ of the district's configuration.")
    ],
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load a file of facts by its layout.

    With a layout of the kind "overrides", each row is what a teacher said of a pupil on a competency (mastered, not_yet
    or withdrawn): it is added to the ledger beside the computed state, which it never changes.

    Example: cairn facts load costs.csv --layout cairn_costs

    Example: cairn facts load overrides.csv --layout cairn_overrides
    """
    from cairn.settings import settings
    from loading import load_facts

    say(f"loading {path.name} ...")
    result = load_facts(settings(), path, layout)
    finish_load("facts", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)
