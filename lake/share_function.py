"""The durable share on a date as a function of DuckDB: SQL calls the compiled formula, it has no second one.

``durable_share(model_version, competency_id, as_of_at, last_event_at, ...)``, then SHARE_COLUMNS in their order, gives
the struct ``(share, low, high)`` of a row of gold.mastery_state: the share of the competency's reference items expected
right GAP_DAYS after ``as_of_at``, in the interval that the policy says. NULL where any input is NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, Signature
from typing import TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import DOUBLE, INTEGER, TIMESTAMP_TZ, VARCHAR, DuckDBPyType

from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.config import load_config
from cairn.mastery.share.columns import SHARE_COLUMNS, US, WHOLE, shares_at
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.model import ShareModel, from_rows
from cairn.settings import Settings
from lake.dataset import read
from lake.sql import Connection

FUNCTION = "durable_share"
MODEL = "gold.mastery_model"
ARGUMENTS = ("model_version", "competency_id", "as_of_at", "last_event_at", *SHARE_COLUMNS)
PARTS = ("share", "low", "high")
Models: TypeAlias = Callable[[str], ShareModel]


def register(connection: Connection, settings: Settings, table_version: int | None = None) -> None:
    """Make ``durable_share`` known to a connection and its cursors; it is gone with the connection.

    Models are of that version of gold.mastery_model, the newest where not given. A query that meets a model version
    which the table lacks ends in an error that names it. Raises CairnError where the policy cannot be read.
    """
    models, level = _models(settings, table_version), load_config(settings).interval_level

    def durable_share(*columns: pa.ChunkedArray) -> pa.StructArray:
        return _shares(pa.table(list(columns), names=list(ARGUMENTS)), models, level)

    # DuckDB counts a function's parameters by its signature.
    named = [Parameter(name, Parameter.POSITIONAL_ONLY) for name in ARGUMENTS]
    durable_share.__signature__ = Signature(named)  # type: ignore[attr-defined]  # mypy knows of no such attribute
    connection.create_function(
        FUNCTION,
        durable_share,
        [_kind(name) for name in ARGUMENTS],
        duckdb.struct_type(dict.fromkeys(PARTS, DOUBLE)),
        type=PythonUDFType.ARROW,
        # Both as they are by default, said because marts rest on them: rows with a NULL are not asked for and get
        # NULL, and a call that stands twice in a statement is made once.
        null_handling=FunctionNullHandling.DEFAULT,
        side_effects=False,
    )


def _models(settings: Settings, table_version: int | None) -> Models:
    """Model version to model, each read when it is first asked for."""

    @cache
    def model(version: str) -> ShareModel:
        rows = read(settings, MODEL, filters=pc.field("model_version") == version, version=table_version).to_pylist()
        if not rows:
            raise CairnError(f"{MODEL} has no version {version}, which states name: restore the table from its backup")
        return from_rows(rows)

    return model


def _kind(name: str) -> DuckDBPyType:
    if name in ("model_version", "competency_id"):
        return VARCHAR
    if name in ("as_of_at", "last_event_at"):
        return TIMESTAMP_TZ
    return INTEGER if name in WHOLE else DOUBLE


def _shares(rows: pa.Table, models: Models, level: float) -> pa.StructArray:
    """(share, low, high) of rows of any versions, columns ARGUMENTS: one call of the formula for each version."""
    found = np.empty((rows.num_rows, len(PARTS)))
    codes, versions = arrow.coded(rows["model_version"])
    for code, version in enumerate(versions):
        is_its = codes == code
        part = arrow.kept(rows, is_its)
        at_seconds = arrow.integers(part["as_of_at"]) / US
        found[is_its] = np.stack(shares_at(part, models(version), at_seconds, level, GAP_DAYS), axis=1)
    return pa.StructArray.from_arrays([pa.array(np.ascontiguousarray(part)) for part in found.T], list(PARTS))
