"""``cairn feeds``: the schools' files and the morning mail."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.settings import settings
from cli.common import JsonOption, emit, progress

app = typer.Typer(help="The schools' feeds.", no_args_is_help=True)


@app.command()
def write(
    school: Annotated[str | None, typer.Option(help="This school only.")] = None,
    date: Annotated[str | None, typer.Option(help="The newest release of this data date, not the current one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write each school's folder from the current release: files, a page to print, a manifest with sums.

    Example: cairn feeds write --school org-school-01
    """
    from feeds.write import write as write_feeds

    with progress() as bar:
        task = bar.add_task("feeds", total=None)
        result = write_feeds(
            settings(),
            school=school,
            data_date=_day(date),
            on_school=lambda done, total: bar.update(task, completed=done, total=total),
        )
    emit(result, as_json)


@app.command()
def send(
    date: Annotated[str | None, typer.Option(help="Feeds of this data date; the newest where absent.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was sent before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mail every school's leaders their counts and a link; the mail names no pupil.

    Example: cairn feeds send
    """
    from feeds.mail import send as send_mails

    emit(send_mails(settings(), data_date=_day(date), again=again), as_json)


def _day(given: str | None) -> str | None:
    """A day as it was typed, checked. Raises UsageError."""
    from datetime import date

    from cairn.errors import UsageError

    try:
        return None if given is None else date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise UsageError(f"--date {given!r} is not a day: write it as 2026-10-14") from error
