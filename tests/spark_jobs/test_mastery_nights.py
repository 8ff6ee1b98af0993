"""Nights in any order, with links, alignments, competencies and voids changing between them, equal one rebuild.

Both equal the oracle: every event resolved by rules written out event by event, then restated at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

import lake
from cairn.calendar import DistrictCalendar
from cairn.mastery import hashing
from cairn.mastery.config import load_config
from cairn.mastery.share.model import from_rows
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import mastery, mastery_upkeep, night_record
from tests.cairn.mastery.rich_model import rich_items, rich_rows
from tests.spark_jobs import mastery_lake as small

pytestmark = pytest.mark.spark

START = date(2026, 9, 28)
DAYS = 12
PUPILS = [f"p{n}" for n in range(5)]
SUBJECTS = [f"s{n}" for n in range(6)]
ITEMS = [f"i{n}" for n in range(6)]
COMPETENCIES = [f"c{n}" for n in range(4)]


class World:
    """What is known at a time, as lists of rows, written to a lake whole whenever it changes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.links = {subject: PUPILS[n % len(PUPILS)] for n, subject in enumerate(SUBJECTS[:4])}
        self.aligned = {item: {COMPETENCIES[n % 3]} for n, item in enumerate(ITEMS[:4])}
        self.known = set(COMPETENCIES[:2])
        self.events: list[dict[str, Any]] = []
        self.changed = {"silver.identity_link", "silver.item_alignment", "silver.competency"}

    def rows(self, name: str) -> list[dict[str, Any]]:
        if name == "silver.identity_link":
            return [small.link(subject, pupil) for subject, pupil in sorted(self.links.items())]
        if name == "silver.item_alignment":
            return [small.alignment(item, c) for item, names in sorted(self.aligned.items()) for c in sorted(names)]
        return [small.competency(name) for name in sorted(self.known)]

    def happen(self, today: int) -> list[dict[str, Any]]:
        """A night's events, some of them late or of tomorrow, and changes of what is known."""
        chance = self.chance
        fresh = [self.event(today) for _ in range(chance.randrange(4, 14))]
        voidable = [e for e in self.events if e["activity_type"] != "void"]
        if voidable and chance.random() < 0.5:
            fresh.append(self._void(chance.choice(voidable), today))
        if chance.random() < 0.4:
            self.links[chance.choice(SUBJECTS)] = chance.choice(PUPILS)
            self.changed.add("silver.identity_link")
        if len(self.links) > 3 and chance.random() < 0.2:
            del self.links[chance.choice(sorted(self.links))]
            self.changed.add("silver.identity_link")
        if chance.random() < 0.4:
            count = chance.randrange(3)
            self.aligned[chance.choice(ITEMS)] = set(chance.sample(COMPETENCIES, count))
            self.changed.add("silver.item_alignment")
        if chance.random() < 0.3:
            self.known ^= {chance.choice(COMPETENCIES)}
            self.changed.add("silver.competency")
        self.events += fresh
        chance.shuffle(fresh)
        return fresh

    def event(self, today: int) -> dict[str, Any]:
        chance = self.chance
        day = today if chance.random() < 0.7 else chance.randrange(max(0, today - 4), today + 2)
        named = chance.sample(COMPETENCIES, chance.randrange(3)) if chance.random() < 0.3 else None
        at = small.minutes(START + timedelta(days=day), chance.randrange(400))
        return small.event(
            f"e{len(self.events):02d}{chance.randrange(10**6):06d}",
            chance.choice(SUBJECTS),
            chance.choice([*ITEMS, None]),
            at,
            chance.random() < 0.8,
            competency_ids=named,
            hints=chance.choice([None, 0, 1]),
            duration_ms=chance.choice([100, 20_000]),
        )

    def _void(self, voided: dict[str, Any], today: int) -> dict[str, Any]:
        at = small.minutes(START + timedelta(days=today + self.chance.randrange(2)), 5)
        return small.event(
            f"void-{voided['event_id']}-{self.chance.randrange(10**6)}",
            "teacher",
            None,
            at,
            None,
            activity_type="void",
            voids_statement_id=voided["source_statement_id"],
        )


def write_model(settings: Settings) -> None:
    """A model that knows some of the competencies and items, and every part of whose formula counts."""
    small.write(settings, "gold.mastery_model", rich_rows(COMPETENCIES[:2]))
    small.write(settings, "gold.item_difficulty", rich_items(ITEMS[:4]))


def write_known(settings: Settings, world: World) -> None:
    for name in sorted(world.changed):
        lake.overwrite(settings, name, pa.Table.from_pylist(world.rows(name), lake.file_schema(name)))
    world.changed.clear()


def by_hand(world: World, as_of: datetime) -> Iterator[dict[str, Any]]:
    """Evidence, event by event."""
    voided = {
        (e["source_id"], e["voids_statement_id"])
        for e in world.events
        if e["activity_type"] == "void" and e["event_time"] < as_of
    }
    known = world.known | {name for names in world.aligned.values() for name in names}
    for event in world.events:
        is_void = event["activity_type"] == "void" or (event["source_id"], event["source_statement_id"]) in voided
        pupil = world.links.get(event["subject_key"])
        if is_void or pupil is None or event["event_time"] >= as_of:
            continue
        shown = world.aligned.get(event["item_id"], set()) | (set(event["competency_ids"] or ()) & known)
        for name in sorted(shown):
            yield {**event, "student_key": pupil, "competency_id": name}


def oracle(settings: Settings, world: World, night: date) -> dict[str, list[dict[str, Any]]]:
    as_of = DistrictCalendar.load(settings).day_bounds(night)[1]
    types = {field.name: field.type for field in lake.file_schema("silver.evidence")}
    schema = pa.schema([(name, types[name]) for name in COLUMNS])
    table = pa.Table.from_pylist([{k: row.get(k) for k in COLUMNS} for row in by_hand(world, as_of)], schema)
    config = load_config(settings)
    model = from_rows(rich_rows(COMPETENCIES[:2]), rich_items(ITEMS[:4]))
    found = restate(table, Night(config, model, int(as_of.timestamp()) * 1_000_000, night))
    return {
        "states": small.plain(found.mastery_state, small.OF_NIGHT),
        "days": small.plain(found.attempt_day, small.OF_NIGHT),
        "decisions": small.plain(found.mastery_decision, small.OF_NIGHT),
    }


def standing(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    return {
        "states": small.states(settings),
        "days": small.days(settings),
        "decisions": small.standing(settings),
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nights_equal_a_rebuild_and_the_oracle(
    spark: SparkSession, settings: Settings, tmp_path: Path, seed: int
) -> None:
    world = World(seed)
    write_model(settings)
    tonight = START
    for today in range(DAYS):
        tonight = START + timedelta(days=today)
        events = world.happen(today)
        write_known(settings, world)
        small.write(settings, "silver.learner_activity", events)
        if today in (5, 6):
            continue  # two nights that did not run
        mastery.update(spark, settings, tonight)
        assert standing(settings) == oracle(settings, world, tonight), f"night {today}"
        if today == 8:
            last = night_record.newest(settings)
            assert last is not None
            with_all = standing(settings)
            mastery_upkeep.compact(spark.sparkContext, settings, last)
            assert standing(settings) == with_all, "merged buckets say the same"
    other = settings.model_copy(update={"home": tmp_path / "rebuilt", "pupil_buckets": 8})
    write_model(other)
    world.changed = {"silver.identity_link", "silver.item_alignment", "silver.competency"}
    write_known(other, world)
    shuffled = list(world.events)
    random.Random(seed).shuffle(shuffled)
    small.write(other, "silver.learner_activity", shuffled)
    mastery.update(spark, other, tonight)
    assert standing(other) == standing(settings)


def test_silver_that_lost_rows_is_resolved_again_whole(spark: SparkSession, settings: Settings) -> None:
    world = World(9)
    write_model(settings)
    for today in range(3):
        events = world.happen(today)
        write_known(settings, world)
        small.write(settings, "silver.learner_activity", events)
        mastery.update(spark, settings, START + timedelta(days=today))
    gone = [event for event in world.events if event["subject_key"] == "s1"]
    assert gone
    lake.delete_rows(settings, "silver.learner_activity", pa.compute.field("subject_key") == "s1")
    world.events = [event for event in world.events if event["subject_key"] != "s1"]
    mastery.update(spark, settings, START + timedelta(days=3))
    assert standing(settings) == oracle(settings, world, START + timedelta(days=3))


def test_a_night_that_died_between_commits_leaves_nothing(spark: SparkSession, settings: Settings) -> None:
    world = World(5)
    write_model(settings)
    for today in range(2):
        events = world.happen(today)
        write_known(settings, world)
        small.write(settings, "silver.learner_activity", events)
        mastery.update(spark, settings, START + timedelta(days=today))
    # What a night commits before its record, and then the process ends: rows of nobody's night.
    states = lake.read(settings, night_record.STATE, partitions=lake.EVERY)
    lake.append(settings, night_record.STATE, states)
    lake.append(settings, night_record.EVIDENCE, lake.read(settings, night_record.EVIDENCE, partitions=lake.EVERY))
    mastery.update(spark, settings, START + timedelta(days=2))
    assert standing(settings) == oracle(settings, world, START + timedelta(days=2))
    numbers = lake.read(settings, night_record.STATE, ["pair_key", "night"], partitions=lake.EVERY).to_pylist()
    assert len(numbers) == len({tuple(row.values()) for row in numbers}), "no pair twice in a night"


def test_two_nights_at_once_one_is_refused(spark: SparkSession, settings: Settings) -> None:
    from cairn.errors import CairnError

    write_model(settings)
    with (
        lake.lease(settings, mastery.LEASE) as is_ours,
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(CairnError, match="another night of mastery is running"),
    ):
        assert is_ours
        patch.setattr(mastery, "WAIT_SECONDS", 0.1)
        mastery.update(spark, settings, START)


def test_a_damaged_file_is_named_and_the_rest_goes_on(spark: SparkSession, settings: Settings) -> None:
    world = World(3)
    write_model(settings)
    small.write(settings, "silver.person", [small.pupil(name, f"school-{name}") for name in PUPILS])
    events = [world.event(0) for _ in range(12)]
    world.events += events
    write_known(settings, world)
    small.write(settings, "silver.learner_activity", events)
    mastery.update(spark, settings, START)
    # States are rebuilt from the evidence at once: the damaged file is no part of the table any more.
    [broken, *_] = lake.table_files(settings, night_record.STATE)
    bucket = broken.partitions["pupil_bucket"]
    (Path(lake.table_uri(settings, night_record.STATE)) / broken.path).write_bytes(b"no parquet")
    more = [world.event(1) for _ in range(10)]
    world.events += more
    small.write(settings, "silver.learner_activity", more)
    result = mastery.update(spark, settings, START + timedelta(days=1))
    assert [healed.split(":")[0] for healed in result["healed"]] == [f"bucket {bucket}"]
    assert standing(settings) == oracle(settings, world, START + timedelta(days=1))
    # Without its evidence a bucket cannot be rebuilt: named, its pupils' schools held back, the rest goes on.
    last = night_record.newest(settings)
    assert last is not None
    files = lake.table_files(settings, night_record.EVIDENCE, {"pupil_bucket": [int(bucket or 0)]})
    paths = [Path(lake.table_uri(settings, night_record.EVIDENCE)) / file.path for file in files]
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.write_bytes(b"no parquet")
    [state, *_] = lake.table_files(settings, night_record.STATE, {"pupil_bucket": [int(bucket or 0)]})
    whole = (Path(lake.table_uri(settings, night_record.STATE)) / state.path).read_bytes()
    (Path(lake.table_uri(settings, night_record.STATE)) / state.path).write_bytes(b"no parquet")
    small.write(settings, "silver.learner_activity", [world.event(2) for _ in range(6)])
    result = mastery.update(spark, settings, START + timedelta(days=2))
    assert [problem.split(":")[0] for problem in result["unreadable"]] == [f"bucket {bucket}"]
    theirs = [
        name for name in PUPILS if hashing.buckets_of(pa.array([name]), last.pupil_buckets)[0] == int(bucket or 0)
    ]
    assert result["held_schools"] == [f"school-{name}" for name in theirs]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    (Path(lake.table_uri(settings, night_record.STATE)) / state.path).write_bytes(whole)
    # The next night rebuilds what was left out.
    assert mastery.update(spark, settings, START + timedelta(days=3))["unreadable"] == []


def test_damaged_evidence_that_a_change_concerns_is_named_and_resolved_when_it_is_mended(
    spark: SparkSession, settings: Settings
) -> None:
    """An alignment changes, and with it evidence in every bucket, of which one cannot be read that night."""
    world = World(11)
    write_model(settings)
    small.write(settings, "silver.person", [small.pupil(name, f"school-{name}") for name in PUPILS])
    for today in range(2):
        world.events += (events := [world.event(today) for _ in range(12)])
        write_known(settings, world)
        small.write(settings, "silver.learner_activity", events)
        mastery.update(spark, settings, START + timedelta(days=today))
    last = night_record.newest(settings)
    assert last is not None
    [bucket, *_] = sorted(lake.by_number(lake.table_files(settings, night_record.EVIDENCE, lake.EVERY), "pupil_bucket"))
    files = lake.table_files(settings, night_record.EVIDENCE, {"pupil_bucket": [bucket]})
    paths = [Path(lake.table_uri(settings, night_record.EVIDENCE)) / file.path for file in files]
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.write_bytes(b"no parquet")
    world.aligned = {item: {COMPETENCIES[3]} for item in world.aligned}
    world.changed.add("silver.item_alignment")
    world.events += (events := [world.event(2) for _ in range(12)])
    write_known(settings, world)
    small.write(settings, "silver.learner_activity", events)
    result = mastery.update(spark, settings, START + timedelta(days=2))
    assert [problem.split(":")[0] for problem in result["unreadable"]] == [f"bucket {bucket}"]
    theirs = [name for name in PUPILS if hashing.buckets_of(pa.array([name]), last.pupil_buckets)[0] == bucket]
    assert result["held_schools"] == [f"school-{name}" for name in theirs]
    # The others are where the oracle says, by the new alignment.
    expected = oracle(settings, world, START + timedelta(days=2))
    others = [row for row in expected["states"] if row["student_key"] not in theirs]
    assert others == [row for row in standing(settings)["states"] if row["student_key"] not in theirs]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    # Nothing new happens, and nothing else tells the night that the bucket is behind.
    assert mastery.update(spark, settings, START + timedelta(days=3))["unreadable"] == []
    assert standing(settings) == oracle(settings, world, START + timedelta(days=3))


def test_a_home_from_before_the_buckets_goes_on(spark: SparkSession, settings: Settings) -> None:
    """Gold as it was laid out before: states without buckets, a ledger under other ids that a night must answer."""
    world = World(6)
    write_model(settings)
    for today in range(3):
        world.happen(today)
    write_known(settings, world)
    small.write(settings, "silver.learner_activity", world.events)
    gone = {"night", "pupil_bucket", "pair_key", "evidence_hash", "is_base", "is_removed"}
    for name in (night_record.STATE, night_record.DAY, night_record.DECISION):
        old = pa.schema([field for field in lake.file_schema(name) if field.name not in gone])
        DeltaTable.create(lake.table_uri(settings, name), old)
    decided = {
        "decision_id": "an old id",
        "is_retraction": False,
        "student_key": "p1",
        "competency_id": "c0",
        "decided_at": small.minutes(START, 0),
        "from_state": "not_started",
        "to_state": "mastered",
        "p_known": 0.97,
        "counted_attempts": 4,
        "model_version": "m",
        "policy_version": "p",
        "data_date": START,
        "recorded_at": small.minutes(START, 900),
    }
    schema = pa.schema([field for field in lake.file_schema(night_record.DECISION) if field.name not in gone])
    write_deltalake(
        lake.table_uri(settings, night_record.DECISION), pa.Table.from_pylist([decided], schema), mode="append"
    )
    mastery.update(spark, settings, START + timedelta(days=3))
    assert standing(settings) == oracle(settings, world, START + timedelta(days=3))
    ledger = [row for row in small.rows(settings, night_record.DECISION) if row["decision_id"] == "an old id"]
    assert sorted(row["is_retraction"] for row in ledger) == [False, True], "kept, and answered"
