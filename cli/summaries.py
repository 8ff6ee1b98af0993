"""Summaries of loads for a person: counts first, then the first rows that were refused, with file and line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.common import console, emit, say

AcceptOption = Annotated[
    bool,
    typer.Option("--accept-refusals", help="Exit with 0 although rows were refused: for a schedule that goes on."),
]


def finish_load(
    title: str, keys: Sequence[str], result: dict[str, Any], *, as_json: bool, accept_refusals: bool
) -> None:
    """Print what a load did; exit status 1 where it refused rows, unless they are accepted. The rest is loaded."""
    say_problems(result)
    emit(result, as_json, lambda done: load_summary(title, keys, done))
    if result["rejected"] and not accept_refusals:
        say(
            f"{result['rejected']:,} refused, the rest is loaded: mend the lines above and load again, or take it so "
            "with --accept-refusals"
        )
        raise typer.Exit(1)


def load_summary(title: str, keys: Sequence[str], result: dict[str, Any]) -> str:
    """One line of counts, such as ``roster: files 8, rows 9,120, added 9,000``."""
    counts = ", ".join(f"{key.replace('_', ' ')} {_count(result[key])}" for key in keys)
    return f"{title}: {counts}"


def _count(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | dict):
        return str(len(value))
    return str(value)


def say_problems(result: dict[str, Any]) -> None:
    """Print refused rows, warnings and unknown columns to standard error."""
    for line in result.get("problems", ()):
        _line(f"  refused  {line}")
    hidden = result.get("rejected", 0) - len(result.get("problems", ()))
    if hidden > 0:
        _line(f"  refused  {hidden:,} more rows")
    for line in result.get("warnings", ()):
        _line(f"  note     {line}")
    unknown = result.get("unknown_columns") or ()
    if isinstance(unknown, dict):
        unknown = [f"{file}: {', '.join(columns)}" for file, columns in unknown.items()]
    for column in unknown:
        _line(f"  unknown column, read past: {column}")


def _line(text: str) -> None:
    """One unbroken line, as it is: files hold brackets, and editors jump to file:line."""
    console.print(text, markup=False, soft_wrap=True)
