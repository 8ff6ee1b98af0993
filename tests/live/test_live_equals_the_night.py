"""Whatever order records come in, live stands where a night would: late, twice, taken back, and after a restart."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.settings import Settings
from cli.live import app
from live.base import Base
from live.engine import Engine
from live.fold import stand
from live.records import Record
from live.report import write_down
from live.store import Store
from tests.live.small_district import DAYS, PUPILS, Sender, end_of, run_night, seed, set_aside, states_of
from tests.spark_jobs.mastery_orders import is_same

PUPIL_NAMES = [f"pupil-{number}" for number in range(PUPILS)]
LATER = end_of(DAYS + 30)


def take_all(engine: Engine, records: list[Record], chance: random.Random) -> None:
    """Hand records over in batches of any size, partitions interleaved, and fold now and then."""
    at = 0
    while at < len(records):
        some = records[at : at + chance.randrange(1, 25)]
        at += len(some)
        positions: dict[int, int] = {}
        for record in some:
            positions[record.partition] = record.offset + 1
        engine.take(some, positions)
        if chance.random() < 0.5:
            fold_all(engine)


def fold_all(engine: Engine) -> None:
    while engine.fold_waiting(LATER):
        if not engine.store.count_waiting():
            break


def rest(engine: Engine, records: list[Record]) -> list[Record]:
    """The records that the topic would give from where live has read."""
    positions = engine.positions()
    return [record for record in records if record.offset >= positions.get(record.partition, 0)]


@pytest.mark.parametrize("first_day", [0, DAYS // 2 + 2], ids=["late", "on time"])
@pytest.mark.parametrize("number", range(5))
def test_live_stands_where_one_fold_of_everything_stands(settings: Settings, number: int, first_day: int) -> None:
    seed(settings)
    chance, sender = random.Random(number), Sender(number)
    sender.last_day = DAYS // 2 if first_day else DAYS
    sender.some(chance.randrange(60, 140))
    first = list(sender.records)
    run_night(settings, first, 1, end_of(DAYS // 2))
    with Store(settings) as store:
        engine = Engine(settings, store)
        assert engine.begin() is not None
        # Of those on time most pupils go on from where they stand; voids and repeats of old work are late all the same.
        sender.first_day, sender.last_day = first_day, DAYS
        sender.some(chance.randrange(40, 120))
        take_all(engine, rest(engine, sender.records), chance)
    # The process dies here; another goes on, and is given again what was not committed.
    sender.some(30)
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        take_all(engine, rest(engine, sender.records), chance)
        set_aside(settings, sender.records)
        engine.take_out_set_aside()
        fold_all(engine)
        found = stand(engine.base, store, PUPIL_NAMES, LATER)
        expected = states_of(settings, sender.records, LATER)
        assert expected.num_rows > PUPILS
        assert is_same(found.states, expected, "pair_key")
        assert_table_says(store, expected)


def assert_table_says(store: Store, expected: pa.Table) -> None:
    """Rows of the live table are those of the fold; none is left over."""
    wanted = {(row["student_key"], row["competency_id"]): row for row in arrow.plain(expected).to_pylist()}
    rows = store.states(PUPIL_NAMES)
    assert rows, "nothing came: the test would prove nothing"
    for row in rows:
        pair = row["student_key"], row["competency_id"]
        assert row["is_removed"] == (pair not in wanted)
        if pair in wanted:
            assert (row["state"], row["attempts"]) == (wanted[pair]["state"], wanted[pair]["attempts"])
            assert row["expected_share"] == pytest.approx(wanted[pair]["expected_share"], abs=1e-9)


@pytest.mark.parametrize("number", range(6))
def test_a_night_finds_live_where_it_stands_itself(settings: Settings, number: int) -> None:
    seed(settings)
    chance, sender = random.Random(100 + number), Sender(100 + number)
    sender.some(80)
    run_night(settings, sender.records, 1, end_of(DAYS // 2))
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        sender.some(80)
        counted = list(sender.records)
        sender.some(20)
        take_all(engine, rest(engine, sender.records), chance)
        assert engine.look() is None
        set_aside(settings, sender.records)
        run_night(settings, counted, 2, end_of(DAYS - 5))
        look = engine.look()
        assert look is not None
        engine.move_on(look)
        assert engine.compared is not None
        said = engine.compared.as_dict()
        assert said["differences"] == 0, said
        assert said["pairs"] > 0
        assert engine.base is not None and engine.base.record.night == 2
        fold_all(engine)
        expected = states_of(settings, sender.records, LATER)
        assert is_same(stand(engine.base, store, PUPIL_NAMES, LATER).states, expected, "pair_key")
        assert_table_says(store, expected)


def test_the_comparison_finds_what_is_different(settings: Settings) -> None:
    seed(settings)
    sender = Sender(7)
    sender.some(60)
    run_night(settings, sender.records, 1, end_of(DAYS))
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        sender.some(60)
        some = rest(engine, sender.records)
        engine.take(some[::2], dict(sender.ends))
        run_night(settings, sender.records, 2, end_of(DAYS + 1))
        look = engine.look()
        assert look is not None
        engine.move_on(look)
        assert engine.compared is not None
        assert engine.compared.differences > 0
        assert "attempts" in engine.compared.by_column or "pair_key" in engine.compared.by_column
        write_down(settings, engine.compared)
    told = CliRunner().invoke(app, ["reconcile", "--date", end_of(DAYS + 1).date().isoformat(), "--wait", "0"])
    assert isinstance(told.exception, CairnError) and "pairs differ" in str(told.exception)


def test_equal_is_said_and_never_compared_is_no_success(settings: Settings) -> None:
    seed(settings)
    sender = Sender(8)
    sender.some(40)
    run_night(settings, sender.records, 1, end_of(DAYS))
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        sender.some(40)
        engine.take(rest(engine, sender.records), dict(sender.ends))
        set_aside(settings, sender.records)
        run_night(settings, sender.records, 2, end_of(DAYS + 1))
        look = engine.look()
        assert look is not None
        engine.move_on(look)
        assert engine.compared is not None
        write_down(settings, engine.compared)
    day = end_of(DAYS + 1).date()
    told = CliRunner().invoke(app, ["reconcile", "--date", day.isoformat(), "--json"])
    said = json.loads(told.stdout)
    assert (told.exit_code, said["night"], said["differences"]) == (0, 2, 0)
    other = CliRunner().invoke(app, ["reconcile", "--date", "2026-01-01", "--wait", "0"])
    assert isinstance(other.exception, CairnError) and "has not been compared" in str(other.exception)


def test_memory_is_bounded_and_what_was_let_go_is_read_again(settings: Settings) -> None:
    seed(settings)
    sender = Sender(3)
    sender.some(200)
    run_night(settings, sender.records, 1, end_of(DAYS))
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        assert engine.base is not None
        whole = {name: engine.base.standing_events([name]).num_rows for name in PUPIL_NAMES}
        assert engine.base.kept["pupils"] == PUPILS
        bound = engine.base.kept["bytes"] // 2
        engine.base = replace(Base.of(settings, engine.base.record), most_bytes=bound)
        for _ in range(2):
            for name in PUPIL_NAMES:
                assert engine.base.standing_events([name]).num_rows == whole[name]
                assert engine.base.kept["bytes"] <= bound
        assert engine.base.loads > PUPILS


def test_work_released_with_a_time_to_come_counts_when_it_has_come(settings: Settings) -> None:
    seed(settings)
    sender = Sender(11)
    sender.some(40)
    run_night(settings, sender.records, 1, end_of(DAYS))
    with Store(settings) as store:
        engine = Engine(settings, store)
        engine.begin()
        at = end_of(DAYS) + timedelta(hours=2)
        value = sender.event(
            subject_key="s1_1",
            item_id="item-2",
            activity_type="attempt",
            success=True,
            score_scaled=None,
            event_time=at.isoformat(),
            received_at=end_of(DAYS).isoformat(),
            competency_ids=[],
        )
        sender.send(value)
        assert engine.take(sender.records[-1:], dict(sender.ends)) == 0, "intake sets it aside, and so does live"
        sender.send({**value, "extensions": {"released": "as-sent"}})
        engine.take(sender.records[-1:], dict(sender.ends))
        engine.fold_waiting(at - timedelta(hours=1))
        assert store.states(["pupil-1"]) == []
        assert engine.fold_waiting(at - timedelta(minutes=1)) == 0
        engine.fold_waiting(at + timedelta(seconds=1))
        assert [row["new_events"] for row in store.states(["pupil-1"]) if row["new_events"]] == [1]
