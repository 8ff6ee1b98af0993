"""The log of disclosures: on the disk before a name is shown, in the lake exactly once."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import lake
from cairn.contracts import load_contract
from cairn.settings import REPOSITORY, Settings
from cairn.sqlite_file import connect
from cli.main import main
from identity import disclosure_log
from identity.disclosure_log import Disclosure, list_disclosures, log_path, move_disclosures, write_down

# Says how many it has written down after each one, then goes on until it is killed.
WRITER = """
from cairn.settings import Settings
from identity.disclosure_log import Disclosure, write_down

settings, count = Settings(), 0
while True:
    write_down(settings, Disclosure("tester", "test", "page", [f"p_{count}"]))
    count += 1
    print(count, flush=True)
"""


def write(settings: Settings, *keys: str) -> None:
    write_down(settings, Disclosure("tester", "test", "page", keys, role="school_leader", route="/x", school_id="s1"))


def lake_rows(settings: Settings) -> list[dict[str, object]]:
    return lake.read(settings, disclosure_log.TABLE).to_pylist()


def test_a_writer_that_is_killed_loses_nothing(settings: Settings) -> None:
    environment = os.environ | {"CAIRN_HOME": str(settings.home), "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", WRITER], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    shown = int(said[-1])
    kept = [row["student_keys"] for row in list_disclosures(settings)]
    # What was written as it was killed may be there; what was shown must be.
    assert shown >= 25 and kept[:shown] == [[f"p_{number}"] for number in range(shown)] and len(kept) <= shown + 1
    assert move_disclosures(settings) == len(kept)
    assert [row["student_keys"] for row in list_disclosures(settings)] == kept


def test_rows_move_once_and_are_listed_from_both_places(settings: Settings) -> None:
    assert move_disclosures(settings) == 0
    write(settings, "p_2", "p_1")
    write(settings, "p_2")
    assert move_disclosures(settings) == 2
    write(settings, "p_1")
    assert move_disclosures(settings) == 1 and move_disclosures(settings) == 0
    write(settings, "p_2")
    assert len(lake_rows(settings)) == 3
    assert [row["student_keys"] for row in list_disclosures(settings)] == [["p_1", "p_2"], ["p_2"], ["p_1"], ["p_2"]]
    assert len(list_disclosures(settings, "p_1")) == 2 and list_disclosures(settings, "p_3") == []
    row = list_disclosures(settings)[0]
    assert (row["actor"], row["role"], row["route"], row["student_count"]) == ("tester", "school_leader", "/x", 2)


def test_a_mover_that_dies_after_its_append_moves_nothing_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, "p_1")
    write(settings, "p_2")
    real = disclosure_log.transaction
    calls = []

    def die_before_the_second(path: object, *migrations: str) -> object:
        calls.append(path)
        if len(calls) == 2:  # the first numbers the batch, the second removes it once it is in the lake
            raise KeyboardInterrupt
        return real(path, *migrations)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(disclosure_log, "transaction", die_before_the_second)
        move_disclosures(settings)
    assert len(lake_rows(settings)) == 2 and len(list_disclosures(settings)) == 2
    write(settings, "p_3")  # belongs to the next batch, not to the one that is left
    move_disclosures(settings)
    assert sorted(row["student_keys"][0] for row in lake_rows(settings)) == ["p_1", "p_2", "p_3"]  # type: ignore[index]


def test_movers_and_writers_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disclosure_log, "BATCH_ROWS", 7)
    with ThreadPoolExecutor(8) as pool:
        written = [pool.submit(write, settings, f"p_{number}") for number in range(60)]
        moved = [pool.submit(move_disclosures, settings) for _ in range(6)]
        for one in [*written, *moved]:
            one.result()
    move_disclosures(settings)
    found = Counter(row["student_keys"][0] for row in lake_rows(settings))  # type: ignore[index]
    assert found == Counter(f"p_{number}" for number in range(60))


def test_a_log_that_was_lost_and_made_anew_is_not_taken_for_the_old_one(settings: Settings) -> None:
    write(settings, "p_1")
    write(settings, "p_2")
    move_disclosures(settings)
    lost = list(log_path(settings).parent.glob(f"{log_path(settings).name}*"))
    assert log_path(settings) in lost
    for path in lost:
        path.unlink()
    write(settings, "p_3")
    move_disclosures(settings)
    assert len(lake_rows(settings)) == 3


def test_a_lake_from_before_the_keys_were_kept_is_read_and_gets_the_columns(settings: Settings) -> None:
    old = {"disclosed_at": datetime(2026, 10, 1, tzinfo=UTC), "actor": "a", "purpose": "b", "kind": "page"}
    columns = ["disclosed_at", "actor", "purpose", "school_id", "kind", "student_count", "release_id"]
    schema = lake.arrow_schema(load_contract(disclosure_log.TABLE))
    before = pa.schema([schema.field(name) for name in columns])
    rows = pa.Table.from_pylist([old | {"student_count": 3}], schema=before)
    write_deltalake(lake.table_uri(settings, disclosure_log.TABLE), rows)
    write(settings, "p_1")
    assert [row["student_keys"] for row in list_disclosures(settings)] == [None, ["p_1"]]
    move_disclosures(settings)
    assert [row["student_keys"] for row in list_disclosures(settings)] == [None, ["p_1"]]
    assert len(list_disclosures(settings, "p_1")) == 1


def test_the_log_is_its_owners_and_has_a_version(settings: Settings) -> None:
    write(settings, "p_1")
    assert stat.S_IMODE(log_path(settings).stat().st_mode) == 0o600
    assert stat.S_IMODE(log_path(settings).parent.stat().st_mode) == 0o700
    with connect(log_path(settings), *disclosure_log.MIGRATIONS) as database:
        assert database.execute("pragma user_version").fetchone() == (1,)


def test_the_command_answers_who_looked_at_a_pupil(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    write(settings, "p_1", "p_2")
    write(settings, "p_2")
    with pytest.raises(SystemExit) as done:
        main(["disclosures", "list", "--pupil", "p_1", "--json"])
    found = json.loads(capsys.readouterr().out)["disclosures"]
    assert done.value.code == 0 and [row["student_keys"] for row in found] == [["p_1", "p_2"]]
    assert len(lake_rows(settings)) == 2
    with pytest.raises(SystemExit):
        main(["disclosures", "list"])
    assert len(capsys.readouterr().out.splitlines()) == 2
