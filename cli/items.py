"""``cairn items``: item alignments."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say
from cli.summaries import AcceptOption, finish_load

app = typer.Typer(help="Load item alignments; list items that have none.", no_args_is_help=True)
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="CASE and QTI only: day, inclusive.")]
COUNTS = ("rows", "added", "changed", "rejected", "unaligned")


@app.callback()
def group() -> None:
    """Load item alignments; list items that have none."""


@app.command()
def load(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV with item_id, competency_id and, if known, difficulty, valid_from_date, valid_to_date; a CASE "
            "package whose exemplar associations name items; or a QTI package (zip, folder or imsmanifest.xml)."
        ),
    ],
    item_template: Annotated[
        str, typer.Option(help="QTI only: what apps call an item, such as 'https://quiz.example/items/{identifier}'.")
    ] = "{identifier}",
    valid_from: Day = None,
    valid_to: Day = None,
    accept_refusals: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load which item gives evidence of which competency, from when.

    Example: cairn items load items.csv
    """
    from cairn.rostering.items_named import Validity
    from cairn.settings import settings
    from loading import load_items

    validity = None
    if valid_from or valid_to:
        validity = Validity(valid_from.date() if valid_from else None, valid_to.date() if valid_to else None)
    say(f"loading {path.name} ...")
    result = load_items(settings(), path, template=item_template, validity=validity)
    finish_load("items", COUNTS, result, as_json=as_json, accept_refusals=accept_refusals)


@app.command()
def unaligned(
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the items that nothing aligns to a competency, those first whose alignment would add most answers.

    Example: cairn items unaligned --limit 20
    """
    from cairn.settings import settings
    from loading import list_unaligned

    emit(list_unaligned(settings(), limit), as_json, _text)


def _text(result: dict[str, Any]) -> str:
    lines = [f"items without an alignment: {result['unaligned']:,}"]
    if result["items"]:
        lines.append(f"{'answers':>10}  {'events':>10}  last day    item (sources)")
    for item in result["items"]:
        sources = ", ".join(item["sources"])
        lines.append(
            f"{item['answers']:>10,}  {item['events']:>10,}  {item['last_date']}  {item['item_id']} ({sources})"
        )
    return "\n".join(lines)
