"""SQL's ``durable_share`` is Python's: the real plugin of dbt on a real DuckDB, against the formula called directly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import lake
from cairn.mastery.config import load_config
from cairn.mastery.share.columns import PAIR_COUNTS, PUPIL_COUNTS, SHARE_COLUMNS, shares_at
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.model import from_rows
from cairn.settings import Settings
from lake.dbt_source import VERSIONS_VARIABLE, Plugin
from lake.share_function import ARGUMENTS, MODEL
from lake.sql import Connection
from tests.cairn.mastery.rich_model import ONE_GROUP, TWO_GROUPS, rich_rows

ONE, TWO = "share-one-group", "share-two-groups"
MODELS = {
    version: [{**row, "model_version": version} for row in rich_rows(doubt=doubt)]
    for version, doubt in ((ONE, ONE_GROUP), (TWO, TWO_GROUPS))
}
NOON = datetime(2026, 10, 14, 12, tzinfo=UTC).timestamp()
DAY_SECONDS = 86_400.0
ASK = f"durable_share({', '.join(ARGUMENTS)})"


def instants(seconds: npt.NDArray[np.float64]) -> pa.Array:
    """Seconds since 1970 as timestamps, to the microsecond."""
    return pa.array(np.round(seconds * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC"))


def random_states(rows: int, seed: int) -> pa.Table:
    """Rows of gold.mastery_state with any sums, of both versions and of a competency that neither knows.

    Asked from before the last work to two years after it; of every ninth pair nothing has counted yet.
    """
    random = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {
        "model_version": pa.array(random.choice([ONE, TWO], rows).tolist()),
        "competency_id": pa.array(random.choice(["c1", "c2", "unknown"], rows).tolist()),
        "as_of_at": instants(NOON + random.uniform(-3.0, 730.0, rows) * DAY_SECONDS),
        "last_event_at": instants(NOON - random.uniform(0.0, 5.0, rows) * DAY_SECONDS),
    }
    for counts, most in ((PAIR_COUNTS, 40), (PUPIL_COUNTS, 900)):
        counted, correct, outcomes = counts.values()
        tried = random.integers(0, most, rows) * (np.arange(rows) % 9 != 0)
        columns[counted] = pa.array(tried, pa.int32())
        columns[correct] = pa.array(random.integers(0, tried + 1), pa.int32())
        columns[outcomes] = pa.array(random.integers(1, 64, rows), pa.int32())
    for name in SHARE_COLUMNS:
        if name not in columns:
            is_count = "work_over" in name
            columns[name] = pa.array(random.uniform(0.0, 9.0, rows) if is_count else random.normal(0.0, 2.0, rows))
    return pa.table({name: columns[name] for name in ARGUMENTS})


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    """DuckDB as dbt opens it, with the function, over a lake that has both models."""
    lake.append(settings, MODEL, [row for rows in MODELS.values() for row in rows])
    with plugged() as found:
        yield found


def plugged() -> Connection:
    found = duckdb.connect()
    Plugin("dbt_source", {}).configure_connection(found)
    return found


def asked(connection: Connection, states: pa.Table) -> list[Any]:
    """The function's answers, in the order of the rows; by a cursor, as dbt asks."""
    cursor = connection.cursor()
    cursor.register("states", states.append_column("place", pa.array(range(states.num_rows))))
    return [share for (share,) in cursor.execute(f"select {ASK} from states order by place").fetchall()]


def test_sql_says_what_python_says(connection: Connection, settings: Settings) -> None:
    states = random_states(5_000, 1)
    found = asked(connection, states)
    level = load_config(settings).interval_level
    for version, rows in MODELS.items():
        is_its = np.array(states["model_version"].to_pylist()) == version
        part = states.filter(pa.array(is_its))
        at_seconds = part["as_of_at"].cast(pa.int64()).to_numpy() / 1e6
        expected = np.stack(shares_at(part, from_rows(rows), at_seconds, level, GAP_DAYS), axis=1)
        said = np.array([[one["share"], one["low"], one["high"]] for one in found])[is_its]
        np.testing.assert_allclose(said, expected, rtol=0.0, atol=1e-9)
        assert np.ptp(said[:, 0]) > 0.9, "the rows are of all kinds"
        assert (said[:, 1] <= said[:, 0]).all()
        assert (said[:, 0] <= said[:, 2]).all()


def test_a_week_later_the_share_is_lower_and_the_interval_wider(connection: Connection) -> None:
    """Of a pair all right, by nothing but the instant; before its last work it stands as on the day of that."""
    one = random_states(1, 2)
    given: dict[str, float] = {"counted_attempts": 8, "counted_credit": 8, "last_outcomes": 63}
    given |= {name: 0.5 for name in ARGUMENTS if "_over_" in name}
    for name, value in given.items():
        place = ARGUMENTS.index(name)
        one = one.set_column(place, name, pa.array([value], one.schema.field(name).type))
    answers = []
    for days in (-1.0, 0.0, 7.0, 30.0, 90.0):
        at = instants(np.array([one["last_event_at"][0].value / 1e6 + days * DAY_SECONDS]))
        answers += asked(connection, one.set_column(ARGUMENTS.index("as_of_at"), "as_of_at", at))
    before, *after = answers
    assert before == after[0]
    shares, widths = [one["share"] for one in after], [one["high"] - one["low"] for one in after]
    assert shares == sorted(shares, reverse=True)
    assert widths == sorted(widths)
    assert len(set(shares)) == len(set(widths)) == len(after)


def test_null_in_any_column_is_null(connection: Connection) -> None:
    whole = random_states(len(ARGUMENTS) + 1, 3)
    for place, name in enumerate(ARGUMENTS):
        values = whole[name].to_pylist()
        values[place] = None
        whole = whole.set_column(place, name, pa.array(values, whole.schema.field(name).type))
    *without, last = asked(connection, whole)
    assert without == [None] * len(ARGUMENTS)
    assert set(last) == {"share", "low", "high"}


def test_unknown_version_is_named(connection: Connection) -> None:
    states = random_states(3, 4)
    strange = states.set_column(0, "model_version", pa.array([ONE, "share-lost", ONE]))
    with pytest.raises(duckdb.Error, match=r"gold\.mastery_model has no version share-lost.*restore the table"):
        asked(connection, strange)


def test_models_are_those_of_the_pinned_table(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append(settings, MODEL, MODELS[ONE])
    monkeypatch.setenv(VERSIONS_VARIABLE, json.dumps({MODEL: lake.current_version(settings, MODEL)}))
    lake.append(settings, MODEL, MODELS[TWO])
    states = random_states(4, 5)
    with plugged() as pinned:
        assert len(asked(pinned, states.set_column(0, "model_version", pa.array([ONE] * 4)))) == 4
        with pytest.raises(duckdb.Error, match=f"no version {TWO}"):
            asked(pinned, states.set_column(0, "model_version", pa.array([TWO] * 4)))
    monkeypatch.delenv(VERSIONS_VARIABLE)
    with plugged() as newest:
        assert None not in asked(newest, states.set_column(0, "model_version", pa.array([TWO] * 4)))
