"""Does the order of arrival matter? ``python -m tests.spark_jobs.mastery_orders [ORDERS]``.

Each order is a small world of a few pupils on a few competencies: its answers arrive over several nights, late and in
any order, and some are taken away again (voided). The code that a Spark task runs on its bucket folds night after night
from real files; what stands at the end is held against one fold of all evidence that is left. Prints one JSON object:
orders, nights, pairs and decisions written, different (orders in which a state, a day or a standing decision is not the
same, numbers to 1e-9) and the seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import arrow
from cairn.mastery.config import load_config
from cairn.mastery.ledger import newest
from cairn.mastery.share.model import ShareModel
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import night_record
from spark_jobs.mastery_bucket import REBUILD, BucketJob, fold_bucket
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE
from tests.cairn.mastery.rich_model import rich_model
from tests.spark_jobs.policy_files import save

START, DAYS = date(2026, 9, 1), 120
PUPILS, COMPETENCIES, ITEMS = 3, 4, 8
SAME = 1e-9
ORDERS = 1_000
# Which night wrote a row, and when, says nothing of what it says.
OF_NIGHT = {"data_date", "night", "is_base", "is_removed", "pupil_bucket", "recorded_at", "reason"}
# Of which subjects the competencies are, where policies differ by subject.
SUBJECTS = {"c1": "math", "c2": "math", "c3": "ela", "c4": ""}
Row = dict[str, Any]


class World:
    """One order: the rows of evidence that each night brings, and the files that the nights leave."""

    def __init__(self, settings: Settings, model: ShareModel, seed: int) -> None:
        self.settings, self.model, self.chance = settings, model, random.Random(seed)
        self.config = load_config(settings)
        self.files: dict[str, list[lake.File]] = {name: [] for name in (EVIDENCE, STATE, DAY, DECISION)}
        self.stands: dict[tuple[str, str, str], Row] = {}
        self.counts: Counter[str] = Counter()

    def answers(self) -> list[list[Row]]:
        """Evidence of each night's arrival: an answer is a row a competency, which arrive together."""
        chance, nights = self.chance, self.chance.randrange(3, 7)
        arrivals: list[list[Row]] = [[] for _ in range(nights)]
        for number in range(chance.randrange(20, 60)):
            day = chance.randrange(DAYS) if chance.random() < 0.6 else chance.randrange(10)
            at = datetime(START.year, START.month, START.day, 9, tzinfo=UTC) + timedelta(days=day)
            own = {
                "student_key": f"p{chance.randrange(PUPILS)}",
                "event_id": f"e{number:03d}",
                "event_time": at + timedelta(minutes=chance.randrange(0, 300, 5)),
                "work_date": at.date(),
                "activity_type": chance.choice(["attempt"] * 5 + ["assessment", "completion"]),
                "item_id": chance.choice([f"item-{chance.randrange(ITEMS)}"] * 4 + [None]),
                "success": chance.choice([True, True, True, False, None]),
                "score_share": chance.choice([0.25, 0.5, 0.75, 0.8, 1.0, 2 / 3]),
                "hints": chance.choice([None, None, 0, 1]),
                "duration_ms": chance.choice([200, 1_500, 4_000, 20_000, 20_000]),
                "subject_key": "s",
                "statement_key": number,
            }
            # What is of later than a night's instant waits for the next one before it is resolved.
            due = next(number for number in range(nights) if day < DAYS * (number + 1) // nights)
            night = due if chance.random() < 0.7 else chance.randrange(due, nights)
            for name in chance.sample(range(COMPETENCIES), 2 if chance.random() < 0.2 else 1):
                arrivals[night].append({**own, "competency_id": f"c{name + 1}"})
        return arrivals

    def changes(self, arrived: list[Row]) -> list[Row]:
        """What the night adds to the evidence: what arrived, and voids of what stood."""
        found = [{**row, "is_removed": False} for row in arrived]
        for key in sorted({row["event_id"] for row in self.stands.values()}):
            if self.chance.random() < 0.05:
                found += [{**row, "is_removed": True} for row in self.stands.values() if row["event_id"] == key]
        for row in found:
            key = row["student_key"], row["competency_id"], row["event_id"]
            if row["is_removed"]:
                self.stands.pop(key)
            else:
                self.stands[key] = row
        return found

    def fold(self, number: int, night: Night, rows: list[Row]) -> None:
        """One night of the bucket, on files."""
        schema = lake.file_schema(EVIDENCE)
        table = pa.Table.from_pylist([{**row, "night": number, "pupil_bucket": 0} for row in rows], schema)
        table = table.sort_by([(name, "ascending") for name in ("student_key", "competency_id", "event_time")])
        added = [lake.write_file(self.settings, EVIDENCE, table, {"pupil_bucket": 0})] if rows else []
        self.files[EVIDENCE] += added
        job = BucketJob(0, number, dict(self.files), added, False, REBUILD, datetime.now(UTC))
        done = fold_bucket(job, self.settings, night)
        if done.problem or done.healed:
            raise RuntimeError(done.problem or done.healed)
        for name, files in done.written.items():
            self.files[name] = [one for one in self.files[name] if one not in done.removed.get(name, [])] + files
        self.counts["pairs"] += done.pairs
        self.counts["decisions"] += done.decisions

    def run(self) -> bool:
        """Fold night after night; whether what stands is what one fold says."""
        arrivals = self.answers()
        end = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(days=DAYS + 60)
        for number, arrived in enumerate(arrivals, start=1):
            is_last = number == len(arrivals)
            until = end if is_last else end - timedelta(days=60 + DAYS - DAYS * number // len(arrivals))
            as_of_us = int(until.timestamp()) * 1_000_000
            night = Night(self.config, self.model, as_of_us, until.date(), SUBJECTS)
            self.fold(number, night, self.changes(arrived))
        self.counts["nights"] += len(arrivals)
        rows = [{name: row.get(name) for name in COLUMNS} for row in self.stands.values()]
        types = {field.name: field.type for field in lake.file_schema(EVIDENCE)}
        expected = restate(pa.Table.from_pylist(rows, pa.schema([(name, types[name]) for name in COLUMNS])), night)
        return (
            is_same(self.current(STATE, ("pair_key",)), expected.mastery_state, "pair_key")
            and is_same(self.current(DAY, ("pair_key", "work_date")), expected.attempt_day, "pair_key", "work_date")
            and is_same(self.current(DECISION, ("decision_id",)), expected.mastery_decision, "decision_id")
        )

    def current(self, name: str, keys: tuple[str, ...]) -> pa.Table:
        """The rows that stand of a table: of each key the newest, where it does not say that nothing is left."""
        columns = [one for one in lake.file_schema(name).names if one != "pupil_bucket"]
        rows = newest(lake.read_files(self.settings, name, self.files[name], columns), keys)
        return rows.filter(pc.invert(rows["is_retraction" if name == DECISION else "is_removed"]))


def is_same(found: pa.Table, expected: pa.Table, *keys: str) -> bool:
    """Whether both tables hold the same rows but for what is of a night; floating numbers to SAME."""
    if found.num_rows != expected.num_rows:
        return False
    order = [(key, "ascending") for key in keys]
    found, expected = arrow.plain(found).sort_by(order), arrow.plain(expected).sort_by(order)
    for name in set(expected.column_names) - OF_NIGHT:
        one, other = found[name], expected[name]
        if pa.types.is_floating(one.type):
            if not np.allclose(arrow.floats(one), arrow.floats(other), rtol=0.0, atol=SAME, equal_nan=True):
                return False
        elif one.to_pylist() != other.to_pylist():
            return False
    return True


def compare(
    folder: Path, model: ShareModel, seeds: Sequence[int], policy: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The orders of some seeds, each in a home of its own below the folder; ``policy`` in place of the example."""
    counts: Counter[str] = Counter()
    different = []
    for seed in seeds:
        settings = Settings(home=folder / str(seed))
        night_record.present_versions(settings)
        if policy is not None:
            save(settings, policy)
        world = World(settings, model, seed)
        if not world.run():
            different.append(seed)
        counts += world.counts
    return {"orders": len(seeds), **counts, "different": different}


def main(arguments: list[str] | None = None) -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("orders", type=int, nargs="?", default=ORDERS)
    asked = parser.parse_args(arguments)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Path(folder), rich_model(), range(asked.orders))
    print(json.dumps({**found, "seconds": round(time.perf_counter() - started, 1)}))


if __name__ == "__main__":
    main()
