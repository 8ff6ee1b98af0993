"""Fields of a record as intake's parser gives them to its check, for tests that do without Spark."""

from __future__ import annotations

import pyarrow as pa

from spark_jobs import intake_parse

INSTANT = pa.timestamp("us", "UTC")
_KINDS: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": INSTANT,
    "array<string>": pa.list_(pa.string()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "map<string,int>": pa.map_(pa.string(), pa.int32()),
}


def parsed_fields() -> dict[str, pa.DataType]:
    """Names and types of the fields within a record, of all topics."""
    return {name: _KINDS[kind] for name, kind in intake_parse.value_fields().items()}
