"""What the dbt project declares of its marts, read from the yml beside each model: columns, types and keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cairn.settings import REPOSITORY

MARTS = REPOSITORY / "dbt_project" / "models" / "marts"


@dataclass(frozen=True)
class MartModel:
    """One mart: column to DuckDB type, and the columns that make a row unique (none where no test says so)."""

    name: str
    types: dict[str, str]
    key: tuple[str, ...]


@cache
def mart_models(folder: Path = MARTS) -> dict[str, MartModel]:
    """Every mart by name."""
    found = {}
    for path in sorted(folder.rglob("mart_*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            types = {column["name"]: column["data_type"] for column in model["columns"]}
            found[model["name"]] = MartModel(model["name"], types, _key(model))
    return found


def _key(model: dict[str, Any]) -> tuple[str, ...]:
    """Columns of the model's own test of uniqueness: over several columns, or on one."""
    for test in model.get("data_tests", ()):
        if isinstance(test, dict) and "unique_combination" in test:
            return tuple(test["unique_combination"]["arguments"]["columns"])
    return tuple(column["name"] for column in model["columns"] if "unique" in column.get("data_tests", ()))[:1]
