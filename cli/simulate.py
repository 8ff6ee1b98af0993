"""``cairn simulate district``: a district with known truth, written as its systems and apps would export it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.common import JsonOption, emit, progress, say

app = typer.Typer(help="A simulated district with known truth.", no_args_is_help=True)


@app.callback()
def simulate() -> None:
    """A simulated district with known truth."""


def draw_as_assign(
    pilot_id: str,
    schools: Sequence[str],
    blocks: Sequence[Sequence[str]],
    pupils: Mapping[str, int],
    treated: Sequence[int],
    seed: int,
) -> list[str]:
    """The schools that ``cairn pilots assign`` draws with the same seed, once the roster is loaded: balanced on size,
    as no test was taken before the year."""
    import numpy as np

    from pilots.allocation_sets import Block
    from pilots.assignment import draw_once
    from pilots.draft import Draft
    from pilots.school_traits import PUPILS, SchoolTraits

    known = tuple(sorted(schools))
    position = {school: number for number, school in enumerate(known)}
    groups = [tuple(sorted(position[school] for school in group)) for group in blocks or [schools]]
    draft = Draft(
        pilot_id=pilot_id,
        schools=known,
        blocks=tuple(Block(group, count) for group, count in zip(groups, treated, strict=True)),
        has_blocks=bool(blocks),
        balance_on=(),
        seed=seed,
        assigned_on=None,
        assessment=None,
        measure=None,
        subject=None,
        grades=(),
    )
    sizes = np.array([[float(pupils[school])] for school in known])
    return draw_once(draft, SchoolTraits((PUPILS,), sizes, "the roster"), seed).arm(True)


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
    pilots: Annotated[
        int, typer.Option(help="2, or all 6: they need 82 schools and 30 days (simulator/README.md says which).")
    ] = 2,
    activity: Annotated[
        float, typer.Option(min=0.01, max=3, help="How often pupils open their apps beside the pilots; 1 as usual.")
    ] = 1.0,
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
        result = generate(
            out,
            schools,
            students,
            days,
            seed,
            on_progress=show,
            last_date=last,
            pilots=pilots,
            draw=draw_as_assign,
            activity=activity,
        )
    say(f"district written to {out}")
    emit(dict(result), as_json)
