"""The data dictionary in ``docs/reference/tables.md``, made from the contracts.

``python -m cairn.dictionary`` writes it; ``--check`` exits 1 where the file is stale (CI runs that).
"""

from __future__ import annotations

import sys
from itertools import groupby

from cairn.contracts import Column, Contract, all_contracts
from cairn.generated_file import write_or_check
from cairn.settings import REPOSITORY

DICTIONARY = REPOSITORY / "docs" / "reference" / "tables.md"
HEADER = """# Tables of the lake

Made from the contracts in `schemas/tables` by `make docs`; do not edit. A key column is marked **key**, a column
that may not be empty *required*. Classes: *pseudonymous* (a key that stands for a person), *sensitive* (about a
person, small groups must be protected), *internal* (everything else). No table holds a name, mail or raw identifier.
Files that compaction or a rewrite replaced stay for readers of older versions and then go.
"""


def _rules(column: Column) -> str:
    rules = ["**key**"] if column.is_key else ["*required*"] if column.is_required else []
    if column.is_partition:
        rules.append("partition")
    if column.allowed_values:
        rules.append("one of " + ", ".join(f"`{value}`" for value in column.allowed_values))
    if column.minimum is not None:
        rules.append(f"at least {column.minimum:g}")
    if column.maximum is not None:
        rules.append(f"at most {column.maximum:g}")
    return "; ".join(rules)


def _upkeep(contract: Contract) -> str:
    """Who answers for the table and writes it, how its files lie, how long they and its rows stay."""
    kept = "for good" if contract.retention_days is None else f"{contract.retention_days} days"
    said = [
        f"Owner: {contract.owner}",
        f"written by: {contract.written_by}",
        "partitions: " + (", ".join(f"`{name}`" for name in contract.partitions) or "none"),
        *(["sorted by: " + ", ".join(f"`{name}`" for name in contract.sorted_by)] if contract.sorted_by else []),
        *(["read by partition only"] if contract.needs_partition_filter else []),
        f"rows kept {kept}, replaced files {contract.file_retention_days} days",
    ]
    return "; ".join(said) + "."


def _table(contract: Contract) -> str:
    rows = [
        f"| `{c.name}` | `{c.type}` | {_rules(c)} | {c.classification} | {c.description} |" for c in contract.columns
    ]
    head = [
        f"### {contract.name}",
        "",
        f"{contract.purpose} Grain: {contract.grain}. Version {contract.version}.",
        "",
        _upkeep(contract),
        "",
        "| column | type | rules | class | meaning |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def render() -> str:
    """The whole dictionary as Markdown."""
    parts = [HEADER]
    for layer, contracts in groupby(all_contracts(), key=lambda contract: contract.layer):
        parts.append(f"## {layer}\n")
        parts.extend(_table(contract) + "\n" for contract in contracts)
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the dictionary, or with ``--check`` say whether it is stale."""
    return write_or_check(DICTIONARY, render(), arguments, "run 'make docs' and commit it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
