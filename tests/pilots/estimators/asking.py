"""Asks ``cairn pilots estimate`` as a person would: a CSV file in, one JSON object out."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from cairn.errors import CairnError
from cli.pilots import app
from pilots.estimators.table import Table, table_of


def ask(design: str, data: Path, *options: str) -> dict[str, Any]:
    """The result as JSON. Raises what the command raised."""
    done = CliRunner().invoke(app, ["estimate", design, "--data", str(data), *options, "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout, parse_constant=_no_number)
    return found


def _no_number(word: str) -> float:
    raise AssertionError(f"{word} in a result")


def refused(design: str, data: Path, *options: str) -> str:
    """The message with which the command refuses."""
    try:
        found = ask(design, data, *options)
    except CairnError as error:
        return str(error)
    raise AssertionError(f"not refused: {found}")


def write(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A CSV file of these columns."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def table(**columns: Sequence[object] | np.ndarray) -> Table:
    """The same as it is read, without a file."""
    return table_of({name: list(values) for name, values in columns.items()}, "made.csv")
