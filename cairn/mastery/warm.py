"""Compile every kernel once, so that the first night does not wait: ``python -m cairn.mastery.warm``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.mastery import elo
from cairn.mastery.arrow import integers, places_in
from cairn.mastery.config import config_from
from cairn.mastery.fit import Bounds, fit_bkt, make_sequences
from cairn.mastery.share.model import from_rows, shipped_rows
from cairn.mastery.states import COLUMNS, Night, advance, restate


def warm() -> None:
    """Run a fold, a fit and a prediction with the types that nights use; numba keeps the code beside the source."""
    codes = np.array([0, 0, 0, 0], dtype=np.int64)
    sequences, _ = make_sequences(codes, np.array([0, 0, 1, 1], dtype=np.int64), np.array([0, 1, 1, 1], dtype=np.int8))
    fit_bkt(sequences, Bounds())
    elo.predict(codes, codes, codes, np.arange(5), sequences.correct.astype(np.float64))
    fold_once()


def fold_once() -> None:
    """Fold one attempt, so that the code of a night's kernels is loaded in this process."""
    config = config_from(
        load_yaml_mapping(EXAMPLES / "evidence.yaml"),
        load_yaml_mapping(EXAMPLES / "policy.yaml"),
    )
    night = Night(config, from_rows(shipped_rows()), 10_000_000, date(1970, 1, 1))
    row = {"student_key": "p", "competency_id": "c", "event_id": "e", "activity_type": "attempt", "item_id": "i"}
    at = {"event_time": datetime(1970, 1, 1, tzinfo=UTC), "work_date": date(1970, 1, 1), "success": True}
    attempts = lake_columns([{**row, **at}])
    stood = restate(attempts, night).mastery_state
    advance(attempts.slice(0, 0), stood, stood, night)
    places_in(integers(stood["pair_key"]), integers(stood["pair_key"]))


def lake_columns(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of silver.evidence as its contract types them."""
    kinds = {"event_time": pa.timestamp("us", tz="UTC"), "work_date": pa.date32(), "success": pa.bool_()}
    kinds |= {"score_share": pa.float64(), "hints": pa.int32(), "duration_ms": pa.int64()}
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS]))


if __name__ == "__main__":
    warm()
