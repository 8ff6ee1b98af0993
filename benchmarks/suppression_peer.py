"""pytauargus on tables given as JSON: run by the Python that has it (see benchmarks/suppression.py), and by no other.

Standard input: a list of tables, each ``{cells: [[row, column, value, lower, upper], ...]}`` with "T" for totals and
protection levels of the cells to protect (null of others). Standard output: for each ``{suppressed, seconds}``, by
OPT, the optimum (Fischetti and Salazar's own code on HiGHS), each cell at a cost of 1.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RDA = """<SEPARATOR> ";"
<SAFE> "S"
<UNSAFE> "U"
<PROTECT> "P"
row "X"
  <RECODEABLE>
  <TOTCODE> "T"
column "X"
  <RECODEABLE>
  <TOTCODE> "T"
value
  <NUMERIC>
  <DECIMALS> 0
price
  <NUMERIC> <COSTVAR>
  <DECIMALS> 0
status
  <STATUS>
low
  <NUMERIC> <LOWERPL>
  <DECIMALS> 0
high
  <NUMERIC> <UPPERPL>
  <DECIMALS> 0
"""
ARB = """<OPENTABLEDATA> "table.tab"
<OPENMETADATA> "table.rda"
<SPECIFYTABLE> "row""column"|"value"||"price"
<SAFETYRULE> MAN(50)
<READTABLE>
<SUPPRESS> OPT(1,1)
<WRITETABLE> (1,4,SO+,"out.tab")
"""

# Column of an intermediate table's status, and its letters of cells left out.
STATUS, PRIMARY, SECONDARY = 4, "B", "D"


def protect(table: dict[str, Any]) -> dict[str, Any]:
    """One table through a batch of its own."""
    from pytauargus.engine import run_batch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        for row, column, value, lower, upper in table["cells"]:
            status = "S" if lower is None else "U"
            lines.append(f"{row};{column};{value:g};1;{status};{lower or 0:g};{upper or 0:g}")
        (folder / "table.tab").write_text("\n".join(lines) + "\n")
        (folder / "table.rda").write_text(RDA)
        (folder / "table.arb").write_text(ARB)
        os.chdir(folder)  # its solver writes logs where it stands
        started = time.perf_counter()
        run_batch(str(folder / "table.arb"))
        seconds = time.perf_counter() - started
        rows = [line.split(",") for line in (folder / "out.tab").read_text().splitlines()]
        os.chdir("/")
    hidden = [[code.strip('"') for code in row[:2]] for row in rows if row[STATUS] in (PRIMARY, SECONDARY)]
    return {"suppressed": hidden, "seconds": seconds}


if __name__ == "__main__":
    json.dump([protect(table) for table in json.load(sys.stdin)], sys.stdout)
