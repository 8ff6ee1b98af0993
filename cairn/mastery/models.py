"""The parameters a night uses: one row a competency, and a default for those without enough evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray, Parameters
from cairn.mastery.config import PARAMETER_NAMES, short_hash

DEFAULT = "*"


@dataclass(frozen=True)
class ModelTable:
    """Active parameters. ``parameters`` (rows x 5) and ``versions`` go together; row 0 is the default.

    row_of: competency_id to row.
    """

    parameters: FloatArray
    versions: tuple[str, ...]
    row_of: Mapping[str, int] = field(default_factory=dict)

    def rows(self, competency_ids: Iterable[str]) -> IntArray:
        """The row of each competency, 0 for those without parameters of their own."""
        return np.array([self.row_of.get(name, 0) for name in competency_ids], dtype=np.int64)


def model_version(model: str, parameters: Mapping[str, Iterable[float]]) -> str:
    """Version of a set of parameters by competency: model name and hash of the numbers, rounded to 12 digits."""
    content = {name: [round(float(value), 12) for value in row] for name, row in parameters.items()}
    return f"{model}-{short_hash(content)}"


def default_row(default: Parameters) -> dict[str, Any]:
    """The row of gold.mastery_model for competencies without parameters of their own (without its instant)."""
    values = [float(value) for value in default.row()]
    return {
        "model_version": model_version("bkt-default", {DEFAULT: values}),
        "competency_id": DEFAULT,
        "model": "bkt",
        **dict(zip(PARAMETER_NAMES, values, strict=True)),
        "responses": 0,
        "log_likelihood": None,
        "is_degenerate": False,
        "is_active": True,
    }


def table_from(rows: Iterable[Mapping[str, Any]], default: Parameters) -> ModelTable:
    """The active rows of gold.mastery_model as a table; the configured default where no row is the default."""
    active = [row for row in rows if row["is_active"]]
    general = next((row for row in active if row["competency_id"] == DEFAULT), default_row(default))
    own = sorted((row for row in active if row["competency_id"] != DEFAULT), key=lambda row: str(row["competency_id"]))
    ordered = [general, *own]
    parameters = np.array([[float(row[name]) for name in PARAMETER_NAMES] for row in ordered], dtype=np.float64)
    versions = tuple(str(row["model_version"]) for row in ordered)
    return ModelTable(parameters, versions, {str(row["competency_id"]): i for i, row in enumerate(ordered) if i})
