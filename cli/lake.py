"""``cairn lake``: upkeep of the tables, and how they lie."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cairn.errors import CairnError
from cairn.settings import settings
from cli.common import JsonOption, console, emit, say

app = typer.Typer(help="Upkeep of the tables.", no_args_is_help=True)

VacuumOption = Annotated[bool, typer.Option("--vacuum/--no-vacuum", help="Delete files that no reader needs any more.")]


@app.command()
def tend(vacuum: VacuumOption = True, as_json: JsonOption = False) -> None:
    """Bring intake's tables into their contracts' layout, merge small files, file the keys, delete dead files.

    Intake does the same between its batches, in small pieces; this does all there is to do. It waits its turn: while
    the intake service runs, stop it first.

    Example: cairn lake tend
    """
    from spark_jobs import intake_migration, intake_state, key_index, upkeep

    with intake_state.lease(settings()) as is_held:
        if not is_held:
            raise CairnError("intake runs and tends its tables itself: 'cairn down' stops it, if it must be now")
        migrated = intake_migration.migrate_intake(settings(), say)
        with console.status("filing keys, merging files"):
            filed = key_index.file_recent(settings())
            merged = key_index.tend(settings(), seconds=float("inf"))
            gone = upkeep.compact_intake(settings())
            deleted = upkeep.vacuum_intake(settings()) if vacuum else {}
    result = {
        "migrated": migrated,
        "keys_filed": filed,
        "files_merged": merged + sum(gone.values()),
        "files_deleted": sum(deleted.values()),
    }
    emit(result, as_json)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Rows, files and small files of each of intake's tables; keys that are not filed yet.

    Example: cairn lake status
    """
    from lake import count_rows, table_files
    from spark_jobs import upkeep

    small = upkeep.small_files(settings())
    tables = [
        {
            "table": name,
            "rows": count_rows(settings(), name),
            "files": len(table_files(settings(), name)),
            "small_files": count,
        }
        for name, count in small.items()
    ]
    emit({"tables": tables}, as_json, _status_text)


def _status_text(result: dict[str, Any]) -> str:
    return "\n".join(
        f"{row['table']:<28} {row['rows']:>14,} rows {row['files']:>6,} files, {row['small_files']:,} to merge"
        for row in result["tables"]
    )
