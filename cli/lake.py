"""``cairn lake``: upkeep of the tables, and how they lie."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cairn.errors import CairnError
from cairn.settings import settings
from cli.common import JsonOption, emit, say

# Intake's own upkeep takes a few seconds at a time.
WAIT_SECONDS = 60.0

app = typer.Typer(help="Upkeep of the tables.", no_args_is_help=True)

VacuumOption = Annotated[bool, typer.Option("--vacuum/--no-vacuum", help="Delete files that no reader needs any more.")]


@app.command()
def tend(vacuum: VacuumOption = True, as_json: JsonOption = False) -> None:
    """Bring intake's tables into their contracts' layout, merge small files, file the keys, delete dead files.

    Intake does the same between its batches in small pieces (only dead files of silver and bronze are left to this).
    While the intake service runs, layout and keys stay its own.

    Example: cairn lake tend
    """
    from lake import compact
    from lake import vacuum as delete_dead
    from spark_jobs import intake_migration, intake_state, key_index, upkeep

    done = {"tables_migrated": 0, "keys_filed": 0, "files_merged": 0, "files_deleted": 0}
    with upkeep.tending(settings(), WAIT_SECONDS) as is_free, intake_state.lease(settings()) as is_held:
        if not is_free:
            raise CairnError("another 'cairn lake tend', or intake's own, is at work: try again when it has ended")
        if is_held:
            done["tables_migrated"] = len(intake_migration.migrate_intake(settings(), say))
            say("filing keys")
            done["keys_filed"] = key_index.file_recent(settings())
            done["files_merged"] = key_index.tend(settings(), seconds=float("inf"))
        else:
            say("intake runs: it files its keys itself")
        for name in upkeep.INTAKE_TABLES:
            say(f"merging small files of {name}")
            done["files_merged"] += compact(settings(), name)
        for name in (*upkeep.INTAKE_TABLES, key_index.TABLE) if vacuum else ():
            say(f"deleting dead files of {name}")
            done["files_deleted"] += delete_dead(settings(), name)
    emit(done, as_json)


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
