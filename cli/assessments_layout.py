"""``cairn assessments layout``: layouts of vendors' files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Layouts of vendors' files.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Layouts of vendors' files."""


@app.command()
def draft(
    path: Annotated[Path, typer.Argument(help="The vendor's CSV file.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write the layout; without it, the file's name with .yaml, here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a first layout for a vendor's file of results; what is to decide and what it does not read is listed.

    Example: cairn assessments layout draft fall_star.csv --out layouts/star_math.yaml
    """
    from cairn.errors import CairnError
    from cairn.rostering.layout_draft import draft_layout
    from cairn.rostering.layout_rows import read_assessments

    target = out or Path(f"{path.stem}.yaml")
    if target.exists():
        raise CairnError(f"{target} is there already: give another name with --out, or remove it")
    found = draft_layout(path, target.stem)
    file = read_assessments(path, found.layout)
    try:
        target.write_text(found.text, encoding="utf-8")
    except OSError as error:
        raise CairnError(f"{target}: cannot be written ({error.strerror}): give another place with --out") from error
    for one in found.undecided:
        say(f"  to decide  {one}")
    for column in found.unknown_columns:
        say(f"  not read   {column}")
    result = {
        "layout": str(target),
        "rows": file.row_count,
        "results": len(file.rows),
        "rejected": sum(problem.is_rejected for problem in file.problems),
        "undecided": found.undecided,
        "unknown_columns": found.unknown_columns,
    }
    emit(result, as_json, _shown)


def _shown(result: dict[str, Any]) -> str:
    return (
        f"{result['layout']}: by this draft {result['rows']:,} rows give {result['results']:,} results, "
        f"{result['rejected']:,} rows are refused; {len(result['unknown_columns'])} columns are not read"
    )
