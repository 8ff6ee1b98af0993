"""The parameters a night uses: one row a competency, and a default for those without enough evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from cairn.mastery import bkt
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray, Parameters
from cairn.mastery.config import PARAMETER_NAMES, short_hash

DEFAULT = "*"


class StretchModel(Protocol):
    """What a model states so that nights, in any grouping, give what one rebuild gives.

    Its state is one row of numbers a pair; a stretch of attempts (a pair and a day) is one row too; two stretches that
    follow each other merge associatively, and a stretch takes a state to the state after it. ``rows`` names each pair's
    row of parameters; ``offsets`` bounds each pair's (or stretch's) attempts in ``correct``, in order of work.
    """

    def start(self, rows: IntArray) -> FloatArray:
        """The state of each pair before any evidence (pairs)."""

    def advance(self, start: FloatArray, correct: ByteArray, offsets: IntArray, rows: IntArray) -> FloatArray:
        """The state after each attempt (n) of pairs that stand at ``start``."""

    def stretches(self, correct: ByteArray, offsets: IntArray, rows: IntArray) -> FloatArray:
        """One row a stretch (stretches x numbers)."""

    def merge(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Two stretches that follow each other as one."""

    def apply(self, start: float, stretch: FloatArray) -> float:
        """The state after a stretch that began at ``start``."""


@dataclass(frozen=True)
class ModelTable:
    """Bayesian Knowledge Tracing as a stretch model: its state is P(known), its stretch a scaled 2x2 matrix.

    Active parameters: ``parameters`` (rows x 5) and ``versions`` go together; row 0 is the default. row_of:
    competency_id to row.
    """

    parameters: FloatArray
    versions: tuple[str, ...]
    row_of: Mapping[str, int] = field(default_factory=dict)

    def rows(self, competency_ids: Iterable[str]) -> IntArray:
        """The row of each competency, 0 for those without parameters of their own."""
        return np.array([self.row_of.get(name, 0) for name in competency_ids], dtype=np.int64)

    def version_of(self) -> dict[str, str]:
        """Competency to the version of its parameters, ``*`` for the default."""
        return {DEFAULT: self.versions[0], **{name: self.versions[row] for name, row in self.row_of.items()}}

    def start(self, rows: IntArray) -> FloatArray:
        """P(known) before any evidence."""
        prior: FloatArray = self.parameters[rows, bkt.PRIOR]
        return prior

    def advance(self, start: FloatArray, correct: ByteArray, offsets: IntArray, rows: IntArray) -> FloatArray:
        """P(known) after each attempt."""
        return bkt.advance(start, correct, offsets, rows, self.parameters)

    def stretches(self, correct: ByteArray, offsets: IntArray, rows: IntArray) -> FloatArray:
        """m00, m01, m10, m11, log_scale of each stretch."""
        found: FloatArray = bkt.segments(correct, offsets, rows, self.parameters)
        return found

    def merge(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """The product of both matrices, scaled."""
        return bkt.merge(first, second)

    def apply(self, start: float, stretch: FloatArray) -> float:
        """P(known) after the stretch."""
        return bkt.apply(start, stretch)[0]


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
