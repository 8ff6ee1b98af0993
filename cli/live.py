"""``cairn live``: how the live table does, and whether nights find it where they stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit

app = typer.Typer(help="The live table, and its comparison with nights.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The live table, and its comparison with nights."""


@app.command()
def reconcile(
    data_date: Annotated[
        datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="The district's day that the night is of.")
    ],
    wait_seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until live has compared itself with the night.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """What the comparison of live with a night found: pairs compared, and differences, which must be 0.

    Live compares by itself when the night is on record. Ends with 1 where pairs differ or nothing was compared.

    Example: cairn live reconcile --date 2026-10-14
    """
    from cairn.settings import settings
    from live.report import require_equal, wait_for

    found = wait_for(settings(), data_date.date(), wait_seconds)
    emit(found, as_json, _shown)
    require_equal(found)


def _shown(row: dict[str, Any]) -> str:
    left_out = f"{row['pupils_held']} held, {row['pupils_unread']} unread, {row['pupils_relinked']} relinked"
    return (
        f"night {row['night']} of {row['data_date']}: {row['pairs']} pairs of {row['pupils']} pupils compared, "
        f"{row['differences']} differ ({left_out} pupils left out)"
    )
