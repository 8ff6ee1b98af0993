"""What every command shares: JSON output, messages and progress on standard error."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
]

console = Console(stderr=True, highlight=False)


def emit(result: dict[str, Any], as_json: bool, human: Callable[[dict[str, Any]], str] | None = None) -> None:
    """Print a command's result: one JSON object with ``--json``, else what ``human`` makes of it (key: value lines)."""
    if as_json:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
        return
    text = human(result) if human else "\n".join(f"{key.replace('_', ' ')}: {value}" for key, value in result.items())
    sys.stdout.write(text + "\n")


def progress() -> Progress:
    """A progress bar on standard error; plain where it is not a terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def say(message: str) -> None:
    """A message for a person, on standard error; as it is: a file and line are found again, brackets are no markup."""
    console.print(message, markup=False, soft_wrap=True)


def actor() -> str:
    """Who runs a command, for the log of disclosures: the account of the operating system."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"os:{os.getuid()}"
