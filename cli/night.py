"""``cairn night``: run, see and resume a night by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Run, see and resume a night by hand.", no_args_is_help=True)

DateOption = Annotated[
    str | None, typer.Option("--date", help="Data date, YYYY-MM-DD; yesterday in the district's zone if not given.")
]


@app.callback()
def group() -> None:
    """Run, see and resume a night by hand."""


def parse_date(text: str) -> date:
    """A day as typed. Raises UsageError for anything but YYYY-MM-DD."""
    from cairn.errors import UsageError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date: write it as YYYY-MM-DD") from None


def _chosen(text: str | None) -> date:
    from cairn.settings import settings
    from night.status import default_date

    return parse_date(text) if text else default_date(settings())


def _told(name: str, state: str, seconds: float) -> None:
    say(f"{name} ..." if state == "running" else f"{name}: {state} in {seconds:.1f} s")


def _summary(result: Mapping[str, Any]) -> str:
    lines = [
        f"{step['name']:<13}{step['state']:<9}{step['seconds']:>7.1f} s  {step['error'] or step['detail']}"
        for step in result["steps"]
    ]
    head = f"night of {result['data_date']}: {result['state']}"
    return "\n".join([head, *lines, f"release: {result['release_id'] or 'none'}"])


@app.command()
def run(
    date: DateOption = None,
    only: Annotated[
        str | None,
        typer.Option(help="Only these steps: cut, gate_intake, mastery, gate_mastery, marts, gate_marts, publish."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cut, check, update mastery, build the marts aside, check them, publish. Where a gate stops it, nothing changes.

    Example: cairn night run --date 2026-10-14
    """
    from cairn.settings import settings
    from night.run import run as run_night

    steps = [name.strip() for name in only.split(",") if name.strip()] if only else None
    emit(dict(run_night(settings(), _chosen(date), steps, _told)), as_json, _summary)


@app.command()
def status(date: DateOption = None, as_json: JsonOption = False) -> None:
    """What a night did, step by step; the newest one if no date is given.

    Example: cairn night status --date 2026-10-14
    """
    from cairn.settings import settings
    from night.status import status as night_status

    emit(dict(night_status(settings(), parse_date(date) if date else None)), as_json, _summary)


@app.command()
def resume(date: DateOption = None, as_json: JsonOption = False) -> None:
    """Go on from the step that failed; the newest night if no date is given.

    Example: cairn night resume --date 2026-10-14
    """
    from cairn.settings import settings
    from night.run import resume as resume_night
    from night.state import newest_date

    day = parse_date(date) if date else newest_date(settings())
    emit(dict(resume_night(settings(), day, _told)), as_json, _summary)
