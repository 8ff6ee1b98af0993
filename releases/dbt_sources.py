"""dbt's sources, written from the table contracts: ``python -m releases.dbt_sources [--check]``.

Only tables that a staging model reads are sources. Each is one Delta table, read through dbt-duckdb's plugin.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from cairn.contracts import load_contract
from cairn.generated_file import write_or_check
from cairn.settings import REPOSITORY

PROJECT = REPOSITORY / "dbt_project"
SOURCES_PATH = PROJECT / "models" / "staging" / "_sources.yml"
HEADER = "# Generated from schemas/tables by 'python -m releases.dbt_sources'; do not edit.\n"
USED = re.compile(r"source\('(\w+)',\s*'(\w+)'\)")


def used_tables(project: Path = PROJECT) -> list[str]:
    """Lake tables (``layer.table``) that the project's models read, sorted."""
    found: set[str] = set()
    for path in project.glob("models/**/*.sql"):
        found.update(f"{layer}.{table}" for layer, table in USED.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


def _table(name: str) -> dict[str, Any]:
    contract = load_contract(name)
    return {
        "name": contract.table,
        "description": f"{contract.purpose} Grain: {contract.grain}.",
        "config": {
            "meta": {
                "plugin": "dbt_source",
                "lake_table": contract.name,
            }
        },
        "columns": [
            {"name": column.name, "description": column.description, "data_type": column.type}
            for column in contract.columns
        ],
    }


def render() -> str:
    """The whole ``_sources.yml`` as text."""
    names = used_tables()
    layers = sorted({name.split(".")[0] for name in names})
    sources = [
        {
            "name": layer,
            "schema": layer,
            "description": f"Tables of the lake's {layer} layer, each under its contract in schemas/tables/{layer}.",
            "tables": [_table(name) for name in names if name.startswith(f"{layer}.")],
        }
        for layer in layers
    ]
    document = {"version": 2, "sources": sources}
    return HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` only compare; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    return write_or_check(SOURCES_PATH, render(), given, "run 'python -m releases.dbt_sources'")


if __name__ == "__main__":
    sys.exit(main())
