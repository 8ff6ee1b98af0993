"""``cairn simulate district``: a district with known truth, written as its systems and apps would export it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, progress, say

app = typer.Typer(help="A simulated district with known truth.", no_args_is_help=True)


@app.callback()
def simulate() -> None:
    """A simulated district with known truth."""


@app.command()
def district(
    out: Annotated[Path, typer.Option(help="A new folder to write into.")],
    schools: Annotated[int, typer.Option(min=1, help="Schools; 24 hold two pilots of six and six.")] = 24,
    students: Annotated[int, typer.Option(min=1, help="Pupils.")] = 1500,
    days: Annotated[int, typer.Option(min=1, help="School days from the start of the year, 2026-08-17.")] = 60,
    last_date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Move the year so that the school days end by this date."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Write roster, framework, calendar, assessments, facts, plans and activity, with the truth in truth/.

    Example: cairn simulate district --schools 24 --students 1500 --days 60 --seed 7 --out district
    """
    from simulator import generate

    with progress() as bar:
        tasks: dict[str, int] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = int(bar.add_task(stage, total=total))
            bar.update(tasks[stage], completed=done)  # type: ignore[arg-type]  # rich's TaskID is an int

        last = last_date.date() if last_date else None
        result = generate(out, schools, students, days, seed, on_progress=show, last_date=last)
    say(f"district written to {out}")
    emit(dict(result), as_json)
