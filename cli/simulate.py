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
    blocks: Sequence[Sequence[str]],
    pupils: Mapping[str, int],
    sizes: Sequence[Sequence[int]],
    seed: int,
) -> dict[str, int]:
    """The wave of each school (0: held back) as ``cairn pilots assign`` draws it with the same seed, once the roster is
    loaded: balanced on size, as no test was taken before the year. See ``simulator.pilot_design.DrawSchools``."""
    import numpy as np

    from pilots.allocation_sets import Block
    from pilots.assignment import draw_once
    from pilots.draft import Draft
    from pilots.order_sets import WaveBlock
    from pilots.school_traits import PUPILS, SchoolTraits

    schools = tuple(sorted(school for block in blocks for school in block))
    position = {school: number for number, school in enumerate(schools)}
    groups = [tuple(sorted(position[school] for school in block)) for block in blocks]
    each = list(zip(groups, sizes, strict=True))
    has_waves = len(sizes[0]) > 2
    draft = Draft(
        pilot_id=pilot_id,
        schools=schools,
        blocks=tuple(Block(group, sum(size[1:])) for group, size in each),
        has_blocks=True,
        balance_on=(),
        seed=seed,
        assigned_on=None,
        assessment=None,
        measure=None,
        subject=None,
        grades=(),
        wave_blocks=tuple(WaveBlock(group, tuple(size)) for group, size in each) if has_waves else (),
    )
    traits = SchoolTraits((PUPILS,), np.array([[float(pupils[school])] for school in schools]), "the roster")
    draw = draw_once(draft, traits, seed)
    return dict.fromkeys(draw.arm(False), 0) | (draw.waves or dict.fromkeys(draw.arm(True), 1))


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
