"""Suites generated from contracts: change a contract and the gate changes with it."""

from __future__ import annotations

from collections.abc import Sequence

from cairn.contracts import Column, Contract
from gates.model import HOLDS_SCOPE, STRUCTURAL, Rule


def columns_rule(contract: Contract) -> Rule:
    """The table has exactly the contract's columns; without them nothing else can be said, so a failure stops all."""
    return Rule(
        f"{contract.name}.columns",
        "ExpectTableColumnsToMatchSet",
        {"column_set": list(contract.column_names), "exact_match": True},
        STRUCTURAL,
        f"columns of {contract.name} differ from its contract: bring the writer or the contract up to date",
    )


def row_rules(contract: Contract) -> list[Rule]:
    """Rules about rows: required columns, allowed values, ranges, unique keys."""
    rules = [rule for column in contract.columns for rule in _of_column(contract, column)]
    if contract.keys:
        rules.append(_unique(contract))
    return rules


def columns_needed(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Columns that the rules look at, each once."""
    names: dict[str, None] = {}
    for rule in rules:
        names.update(dict.fromkeys([rule.arguments["column"]] if "column" in rule.arguments else []))
        names.update(dict.fromkeys(rule.unique))
    return tuple(names)


def literal(value: str) -> str:
    """A string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def _of_column(contract: Contract, column: Column) -> list[Rule]:
    name = column.name
    where = f"{contract.name}.{name}"
    # What is not a number counts as missing, as it does to pandas.
    missing = f"({name} is null or isnan({name}))" if column.type == "double" else f"{name} is null"
    rules = []
    if column.is_required:
        rules.append(
            Rule(
                f"{where}.required",
                "ExpectColumnValuesToNotBeNull",
                {"column": name},
                HOLDS_SCOPE,
                f"{name} is empty though the contract requires it: correct the writer and load the rows again",
                missing,
            )
        )
    if column.allowed_values:
        allowed = ", ".join(literal(value) for value in column.allowed_values)
        rules.append(
            Rule(
                f"{where}.allowed",
                "ExpectColumnValuesToBeInSet",
                {"column": name, "value_set": list(column.allowed_values)},
                HOLDS_SCOPE,
                f"{name} has a value that the contract does not allow: correct the writer, or add it to the contract",
                f"{name} is not null and {name} not in ({allowed})",
            )
        )
    bounds = [f"{name} < {column.minimum}"] if column.minimum is not None else []
    bounds += [f"{name} > {column.maximum}"] if column.maximum is not None else []
    if bounds:
        rules.append(
            Rule(
                f"{where}.range",
                "ExpectColumnValuesToBeBetween",
                {"column": name, "min_value": column.minimum, "max_value": column.maximum},
                HOLDS_SCOPE,
                f"{name} lies outside the contract's range: correct the writer",
                f"not {missing} and ({' or '.join(bounds)})",
            )
        )
    return rules


def _unique(contract: Contract) -> Rule:
    keys = contract.keys
    one = len(keys) == 1
    return Rule(
        f"{contract.name}.unique",
        "ExpectColumnValuesToBeUnique" if one else "ExpectCompoundColumnsToBeUnique",
        {"column": keys[0]} if one else {"column_list": list(keys)},
        HOLDS_SCOPE,
        f"{', '.join(keys)} is there more than once: see how the rows were written, then remove the repeats",
        unique=keys,
    )
