"""The peer of the mastery benchmark must do the same work: its tables equal those that the night's functions give."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lake
from benchmarks.mastery_peer import Done, make
from benchmarks.mastery_year import DAYS, LONG_AGO, District
from cairn.contracts import load_contract
from cairn.mastery.config import load_config
from cairn.mastery.hashing import buckets_of
from cairn.mastery.resolve import SILVER_COLUMNS, events_of, resolve
from cairn.mastery.share.model import ShareModel, from_rows
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import evidence_sources, mastery_model, mastery_sample
from spark_jobs.evidence import CODED_SILVER
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE, present_versions, pupil_buckets

AS_OF = datetime(2026, 7, 12, 5, tzinfo=UTC)
NIGHT_DAY = date(2026, 7, 11)
ATTEMPTS = 20_000
# Fewer than there are, so that pupils are left out of the sample as they are of a district's.
MOST_RESPONSES = 8_000
KEYS = {
    EVIDENCE: ("student_key", "competency_id", "event_id"),
    STATE: ("student_key", "competency_id"),
    DAY: ("student_key", "competency_id", "work_date"),
    DECISION: ("decision_id",),
}


def odd_events(count: int) -> list[dict[str, Any]]:
    """Events of everything that resolving and the rule tell apart: few pupils, few items, few instants."""
    draw = random.Random(11)
    events = []
    for number in range(count):
        at = datetime(2026, 2, 1, 14, tzinfo=UTC) + timedelta(hours=6 * draw.randrange(700), minutes=draw.randrange(2))
        kind = draw.choice(["attempt", "attempt", "assessment", "completion", "view"])
        events.append(
            {
                "event_id": f"odd-{number:05d}",
                "source_id": draw.choice(["app", "other"]),
                "source_statement_id": f"st-{number}",
                "event_time": at,
                "work_date": at.date(),
                "subject_key": draw.choice(["s0000000", "s0000001", "moved", "unknown"]),
                "org_id": draw.choice(["sch-000", "sch-001", None]),
                "class_id": draw.choice(["cls-00000", "cls-00001", None]),
                "activity_type": kind,
                "item_id": draw.choice(["i00000", "i00001", "i00400", "ended", "twice", None]),
                "competency_ids": draw.choice([None, [], ["c002", "c399"], ["c000", "c000"], ["nobody-knows"]]),
                "success": draw.choice([True, False, None]),
                "score_raw": draw.choice([None, 7.0, 8.0]),
                "score_max": draw.choice([None, 10.0]),
                "score_scaled": draw.choice([None, None, 0.8, 0.3]),
                "hints": draw.choice([None, 0, 2]),
                "duration_ms": draw.choice([None, 1000, 20_000]),
                "ingest_date": date(2026, 7, 1),
            }
        )
    for number in range(0, count, 20):
        void = {**events[number], "event_id": f"void-{number}", "activity_type": "void", "success": None}
        events.append({**void, "voids_statement_id": events[number]["source_statement_id"]})
    return events


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small year, most of it at few competencies so that some are fitted, and odd events."""
    settings = Settings(home=tmp_path_factory.mktemp("peer"))
    district = District(ATTEMPTS, "skew")
    district.seed(settings)
    days = district.rng.integers(0, DAYS, ATTEMPTS)
    district.write(settings, district.attempts(ATTEMPTS, 0, days), 0, days, 0)
    lake.append(settings, "silver.learner_activity", odd_events(3_000))
    change = datetime(2026, 4, 1, tzinfo=UTC)
    link = {"recorded_from": LONG_AGO, "reason": "roster", "subject_key": "moved"}
    earlier = {**link, "student_key": "p_before", "valid_from": LONG_AGO, "valid_to": change}
    lake.append(settings, "silver.identity_link", [earlier, {**link, "student_key": "p_after", "valid_from": change}])
    aligned = {"recorded_from": LONG_AGO}
    lake.append(
        settings,
        "silver.item_alignment",
        [
            {**aligned, "item_id": "ended", "competency_id": "c005", "valid_to_date": date(2026, 3, 15)},
            {**aligned, "item_id": "twice", "competency_id": "c006"},
            {**aligned, "item_id": "twice", "competency_id": "c000"},
        ],
    )
    return settings


@pytest.fixture(scope="module")
def evidence(home: Settings) -> pa.Table:
    """Silver's evidence by the night's own functions."""
    versions = present_versions(home)
    nobody = pa.array([], pa.string())
    sources = evidence_sources.find(home, None, versions, nobody, int(AS_OF.timestamp()) * 1_000_000)
    files = [file for chunk in sources.chunks for file in chunk]
    events = lake.read_files(home, evidence_sources.SILVER, files, SILVER_COLUMNS, dictionaries=CODED_SILVER)
    return resolve(events_of(events), sources.known).evidence.rows()


@pytest.fixture(scope="module")
def model(home: Settings, evidence: pa.Table) -> ShareModel:
    """The model by the night's own sample and fit, of evidence in buckets as the night writes it."""
    config, buckets = load_config(home), pupil_buckets(home, None)
    size = evidence.num_rows
    standing = evidence.append_column("is_removed", pa.array(np.zeros(size, dtype=bool)))
    standing = standing.append_column("night", pa.array(np.ones(size, dtype=np.int64)))
    bucket = buckets_of(evidence["student_key"], buckets)
    files = [
        lake.write_file(home, EVIDENCE, standing.filter(pa.array(bucket == number)), {"pupil_bucket": number})
        for number in np.unique(bucket).tolist()
    ]
    part = -(-MOST_RESPONSES // len(files))
    parts = [mastery_sample._of_bucket([file], home, config.evidence, part) for file in files]
    sample = mastery_sample._together(parts, [], config)
    assert MOST_RESPONSES <= sample.responses.response.size < ATTEMPTS / 2
    found = mastery_model.fit_sample(sample)
    return from_rows(found.rows, found.items)


@pytest.fixture(scope="module")
def peer(home: Settings) -> tuple[Done, Path]:
    """What the peer made, and where."""
    folder = home.home / "peer"
    return make(home, AS_OF, NIGHT_DAY, folder, MOST_RESPONSES), folder


@pytest.fixture(scope="module")
def expected(home: Settings, evidence: pa.Table, model: ShareModel) -> dict[str, pa.Table]:
    """The night's tables."""
    night = Night(load_config(home), model, int(AS_OF.timestamp()) * 1_000_000, NIGHT_DAY)
    found = restate(evidence.select(COLUMNS), night)
    return {EVIDENCE: evidence, STATE: found.mastery_state, DAY: found.attempt_day, DECISION: found.mastery_decision}


def rows_of(table: pa.Table, name: str, columns: list[str]) -> list[dict[str, Any]]:
    """Rows in order of their key, as the contract types them."""
    plain = lake.conform(table, name).select(columns)
    return sorted(plain.to_pylist(), key=lambda row: tuple(str(row[key]) for key in KEYS[name]))


def test_peer_fits_what_the_night_fits(peer: tuple[Done, Path], model: ShareModel) -> None:
    done, _ = peer
    assert len(model.row_of) > 100
    assert done.model.version == model.version
    assert done.model.row_of == model.row_of
    for ours, theirs in zip(model.arrays, done.model.arrays, strict=True):
        assert theirs == pytest.approx(ours, abs=1e-9)
    assert done.model.item_easiness == pytest.approx(model.item_easiness, abs=1e-9)


@pytest.mark.parametrize("name", KEYS)
def test_peer_writes_the_nights_rows(peer: tuple[Done, Path], expected: dict[str, pa.Table], name: str) -> None:
    _, folder = peer
    made = pq.read_table(folder / name.split(".")[1], partitioning=None)
    columns = [column for column in expected[name].column_names if column in lake.file_schema(name).names]
    ours, theirs = rows_of(expected[name], name, columns), rows_of(made, name, columns)
    assert len(theirs) == len(ours) > 1_000
    numbers = [column for column in columns if pa.types.is_floating(lake.file_schema(name).field(column).type)]
    for one, other in zip(ours, theirs, strict=True):
        for column in numbers:
            assert other.pop(column) == pytest.approx(one.pop(column), abs=1e-9), (column, one)
        assert other == one


@pytest.mark.parametrize("name", KEYS)
def test_peer_writes_the_contracts_columns(peer: tuple[Done, Path], name: str) -> None:
    _, folder = peer
    made = pq.read_table(folder / name.split(".")[1], partitioning=None)
    wanted = set(lake.file_schema(name).names) - {"pupil_bucket"}
    assert set(made.column_names) == wanted
    required = {column.name for column in load_contract(name).columns if column.is_required} & wanted
    assert {column for column in required if made[column].null_count} == set()


def test_peer_says_what_it_wrote(peer: tuple[Done, Path], expected: dict[str, pa.Table]) -> None:
    done, _ = peer
    found = (done.attempts, done.pairs, done.decisions)
    assert found == tuple(expected[name].num_rows for name in (EVIDENCE, STATE, DECISION))
