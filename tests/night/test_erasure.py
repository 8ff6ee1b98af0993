"""A person erased from every place, on real files: tables by contract, releases, feeds, vault, originals, logs."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

import lake
from answers import feed_folders
from cairn.contracts import Column, Contract, all_contracts
from cairn.errors import CairnError
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from cli.main import app
from feeds.erasure import Feeds
from identity import Vault, erasures
from identity.disclosure_log import list_disclosures
from live.store import Store
from loading import one_student
from night import erasure, lock
from releases import store
from spark_jobs import intake_state, lake_erasure, night_record
from spark_jobs.intake_ledger import ledger
from streaming import topics
from streaming.seals import SealStore

HOME_PAGE = "https://id.cedar.example"
NAMES = ("Annabel", "Archerington", "aarcherington", "annabel@cedar.example")
ANN = {
    "sourced_id": "u-ann-77",
    "given_name": "Annabel",
    "family_name": "Archerington",
    "username": "aarcherington",
    "email": "annabel@cedar.example",
}
TOM = {"sourced_id": "u-tom-88", "given_name": "Tomas", "family_name": "Tealby", "username": "ttealby"}
DAY = date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)
PLAIN: dict[str, Any] = {"int": 1, "bigint": 1, "double": 0.5, "boolean": False, "date": DAY, "timestamp": NOON}


def value(column: Column, student: str, subject: str) -> Any:
    """A value of a column, in a row that is about a person."""
    event = f"event-of-{student}"
    held: dict[str, Any] = {
        "student_key": student,
        "student_keys": [student],
        "subject_key": subject,
        "event_id": event,
        "event_ids": [event],
        "payload": json.dumps({"event_id": event, "subject_key": subject}),
    }
    if column.holds in held:
        return held[column.holds]
    if column.name == "recorded_to":
        return None
    if column.allowed_values:
        return column.allowed_values[0]
    if column.type == "string":
        return "app"
    return PLAIN.get(column.type, {} if column.type.startswith("map") else [])


def fill(settings: Settings, people: list[tuple[str, str]]) -> None:
    """A row of each person in every table that may hold one."""
    for contract in lake_erasure.person_tables():
        rows = [{column.name: value(column, *who) for column in contract.columns} for who in people]
        lake.create(settings, contract.name)
        lake.append(settings, contract.name, rows)


@pytest.fixture
def district(settings: Settings) -> tuple[Settings, str, str]:
    """Two people in every place that knows people; the one to go and the one to stay."""
    keys = Vault(settings).register([ANN, TOM])
    gone, stays = keys["u-ann-77"], keys["u-tom-88"]
    district_keys = DistrictKeys.load(settings)
    account = f"account:{HOME_PAGE}"
    theirs = [(gone, district_keys.subject_key(account, "aarcherington"))]
    theirs.append((stays, district_keys.subject_key(account, "ttealby")))
    fill(settings, theirs)
    # Files that were replaced lie beside those of now, as after any compaction.
    for contract in lake_erasure.person_tables():
        lake.append(settings, contract.name, lake.read(settings, contract.name, partitions=lake.EVERY).slice(0, 1))
        lake.compact(settings, contract.name)
    picked_up = settings.pickup_dir / "sis" / "archive" / "roster.csv"
    picked_up.parent.mkdir(parents=True)
    picked_up.write_text("u-ann-77,Ann\n")
    night_record.record(settings, night(settings))
    release(settings, [gone, stays])
    for person in (gone, stays):
        with feed_folders.replacing(
            feed_folders.folder(settings, DAY.isoformat(), f"school-of-{person[-4:]}")
        ) as making:
            (making / feed_folders.PEOPLE).write_text(json.dumps([person]))
            (making / "moves_on.csv").write_text("Annabel" if person == gone else "Tomas")
    SealStore(settings).append(
        [
            ("xapi", json.dumps({"actor": {"account": {"homePage": HOME_PAGE, "name": name}}}).encode())
            for name in ACCOUNTS
        ]
        + [("caliper", b'{"actor": {"id": "' + HOME_PAGE.encode() + b'/users/aarcherington", broken')]
    )
    with Store(settings):
        pass
    with sqlite3.connect(settings.home / "live" / "live.sqlite") as database:
        for person, subject in theirs:
            database.execute("insert into pupil values (?, null, 0, 0, null)", (person,))
            database.execute(
                "insert into event values (?, 'h', 0, 1, ?, 0, 0, null, null, null, null)", (f"e-{person}", subject)
            )
    settings.logs_dir.mkdir(parents=True)
    (settings.logs_dir / "odd.log").write_text(f"a line about {gone} and one about {stays}\n")
    Vault(settings).names([gone, stays], actor="tester", purpose="test", kind="page")
    return settings, gone, stays


ACCOUNTS = ("aarcherington", "ttealby")


def night(settings: Settings) -> night_record.NightRecord:
    """A night that stands at the tables as they are."""
    versions = night_record.present_versions(settings)
    return night_record.NightRecord(1, "night", DAY, NOON, versions, "policy", {}, 2, evidence_counts={"app": 3})


def release(settings: Settings, people: list[str]) -> store.Release:
    folder = store.new_folder(settings, "learning", DAY)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create table mart_pupil (student_key varchar, school_id varchar)")
        connection.execute("create table mart_group (group_id integer, members varchar[])")
        connection.executemany("insert into mart_pupil values (?, 's1')", [[one] for one in people])
        connection.executemany("insert into mart_group values (1, ?)", [[[one]] for one in people])
    made = store.Release(folder.name, "learning", DAY, NOON, folder / "warehouse.duckdb", published_at=NOON)
    store.save(made)
    return made


def bytes_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "erasures" not in path.parts:
            yield path, path.read_bytes()


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["students", *arguments, "--json"])
    assert not [word for word in NAMES if word in done.output]
    assert done.stdout, done.output
    return done.exit_code, json.loads(done.stdout)


def test_what_is_held_of_a_person_can_be_listed(district: tuple[Settings, str, str]) -> None:
    settings, gone, stays = district
    done = CliRunner().invoke(app, ["students", "show", "u-ann-77", "--held", "--purpose", "request 117", "--json"])
    held = json.loads(done.stdout)["held"]
    tables = {one["table"]: one for one in held["tables"]}
    # A row in each, and one that lies there twice; silver.activity_void and ops.gate_result do not say whose they are.
    assert set(tables) >= {one.name for one in lake_erasure.person_tables()} - {
        "silver.activity_void",
        "ops.gate_result",
    }
    assert all(one["rows"] in (1, 2) for one in tables.values()), tables
    activity = tables["silver.learner_activity"]
    assert (activity["sources"], activity["first_date"], activity["last_date"]) == (["app"], str(DAY), str(DAY))
    assert (held["places"]["feeds"], held["places"]["sealed originals"], held["places"]["live/live.sqlite"]) == (
        1,
        2,
        2,
    )
    assert stays not in done.stdout
    newest = list_disclosures(settings, gone)[-1]
    assert (newest["purpose"], newest["route"], newest["student_keys"]) == (
        "request 117",
        "cairn students show",
        [gone],
    )
    assert "silver.learner_activity" in CliRunner().invoke(app, ["students", "show", gone, "--held"]).stdout


def test_a_person_is_gone_from_everything_and_nobody_else(district: tuple[Settings, str, str]) -> None:
    settings, gone, stays = district
    before = {one.name: lake.count_rows(settings, one.name) for one in lake_erasure.person_tables()}
    words = [*Vault(settings).identity(gone).subject_keys, gone]
    assert set(lake.tables_that_say(settings, words)) >= set(before) - {"silver.activity_void", "ops.gate_result"}

    code, result = run("erase", "u-ann-77", "--reason", "request 118")
    assert (code, result["remaining"], result["found"]) == (0, 0, {})
    removed = result["receipt"]["removed"]
    assert {name.removeprefix("lake ") for name in removed if name.startswith("lake ")} == set(before)
    assert removed["feeds"] == 1
    assert removed["sealed originals"] == 2
    assert removed["picked-up files"] == 1 and not list(settings.pickup_dir.rglob("*.csv"))
    assert removed["live/live.sqlite"] == 2
    assert gone not in json.dumps(result)

    receipt = erasures.get(settings, result["receipt"]["erasure_id"])
    for path, content in bytes_of(settings.home):
        assert not [word for word in receipt.words if word.encode() in content], path
    assert lake.tables_that_say(settings, receipt.words) == {}
    for contract in lake_erasure.person_tables():
        rows = lake.read(settings, contract.name, partitions=lake.EVERY).to_pylist()
        assert rows and not [row for row in rows if f"event-of-{gone}" in str(row)], contract.name
    kept = lake.read(settings, "silver.enrollment", ["student_key"])["student_key"].to_pylist()
    assert set(kept) == {stays}
    # Who looked at how many stays; whom they saw goes.
    assert [
        (row["student_count"], row["student_keys"]) for row in list_disclosures(settings) if row["actor"] == "tester"
    ] == [(2, [stays])]
    assert Vault(settings).find("u-tom-88") == [stays]
    assert "one about" in (settings.logs_dir / "odd.log").read_text()
    assert stays in (settings.logs_dir / "odd.log").read_text()
    with duckdb.connect(str(store.list_releases(settings)[0].path), read_only=True) as connection:
        assert connection.execute("select student_key from mart_pupil").fetchall() == [(stays,)]
    assert [one["erasure_id"] for one in store.list_releases(settings)[0].erased] == [receipt.erasure_id]
    # Only the one who stays can be replayed.
    assert [text for _, _, _, text in SealStore(settings).originals() if b"ttealby" not in text] == []

    assert run("erase", "--scan", receipt.erasure_id)[1]["remaining"] == 0
    assert run("erased")[1]["erased"][0]["erasure_id"] == receipt.erasure_id
    with pytest.raises(CairnError, match=rf"was erased on .* \(receipt {receipt.erasure_id}\)"):
        one_student(Vault(settings), gone)


def test_a_scan_finds_what_came_back_and_the_list_is_gone_through_again(district: tuple[Settings, str, str]) -> None:
    settings, gone, stays = district
    backup = settings.home.with_name("backup")
    shutil.copytree(settings.lake, backup)
    receipt = erasure.erase(settings, gone, reason="request", by="tester", places=[Feeds()])
    assert erasure.scan(settings, receipt, [Feeds()]).remaining == 0
    # The lake comes from a backup of before: it does not know of the erasure.
    shutil.rmtree(settings.lake)
    shutil.copytree(backup, settings.lake)
    found = erasure.scan(settings, receipt, [Feeds()])
    assert found.remaining > 0
    assert all(place.startswith("lake ") for place in found.places)
    assert erasure.replay_within_night(settings) == 1
    assert erasure.scan(settings, receipt, [Feeds()]).remaining == 0
    assert erasure.replay_within_night(settings) == 0
    # A release that came back is found by looking, which the command does.
    release(settings, [gone, stays])
    code, result = run("erase", "--replay")
    assert (code, [one["erasure_id"] for one in result["receipts"]]) == (0, [receipt.erasure_id])
    assert erasure.scan(settings, receipt, [Feeds()]).remaining == 0


def test_an_erasure_that_was_killed_half_way_is_finished_by_the_next_night(
    district: tuple[Settings, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, gone, _ = district

    def killed(*_given: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Vault, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            erasure.erase(settings, gone, reason="request", by="tester", places=[Feeds()])
    (begun,) = erasures.every(settings)
    assert begun.finished_at is None
    assert Vault(settings).knows(gone)
    assert erasure.replay_within_night(settings) == 1
    assert erasure.scan(settings, begun, [Feeds()]).remaining == 0


def test_the_books_still_add_up(district: tuple[Settings, str, str]) -> None:
    settings, gone, _ = district
    batch = {"intake_app_id": "app", "batch_id": 1, "end_offsets": "{}", "records": 2, "written_at": NOON}
    lake.append(settings, "ops.intake_batch", [{**batch, "written_date": DAY}])
    counts = ("accepted", "conflict", "quarantined")
    before = [{name: row[name] for name in counts} for row in ledger(settings)]
    assert sum(row["accepted"] for row in before) > 0
    erasure.erase(settings, gone, reason="request", by="tester", places=[])
    assert [{name: row[name] for name in counts} for row in ledger(settings)] == before


def test_what_the_topic_brings_back_goes_with_the_next_night_and_the_books_add_up(
    district: tuple[Settings, str, str],
) -> None:
    settings, gone, _ = district
    subject = DistrictKeys.load(settings).subject_key(f"account:{HOME_PAGE}", "aarcherington")
    batch = {"intake_app_id": "app", "end_offsets": "{}", "records": 2, "written_at": NOON, "written_date": DAY}
    lake.append(settings, "ops.intake_batch", [{**batch, "batch_id": number} for number in (1, 2)])
    receipt = erasure.erase(settings, gone, reason="request", by="tester", places=[])
    assert (receipt.passes, erasure.replay_within_night(settings)) == (1, 0)
    for contract in lake_erasure.person_tables():
        if contract.name in ("bronze.activity", "silver.learner_activity"):
            row = {column.name: value(column, gone, subject) for column in contract.columns}
            lake.append(settings, contract.name, [row | {"batch_id": 2}])
    before = ledger(settings)
    assert erasure.replay_within_night(settings) == 1
    assert ledger(settings) == before
    assert erasure.replay_within_night(settings) == 0
    assert lake.tables_that_say(settings, receipt.words) == {}


def test_an_erasure_waits_for_what_is_on_its_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where intake is at work: nobody else would come to an end."""
    vault = Vault(settings)
    keys = vault.register([ANN, TOM])
    ends, waited = {"learner.activity.v1": {"0": 7}}, []
    running = settings.model_copy(update={"kafka_bootstrap": "broker:9092"})
    monkeypatch.setattr(topics, "end_offsets", lambda _address: ends)
    monkeypatch.setattr(intake_state, "wait_until_passed", lambda _settings, cut: waited.append(cut))
    erasure.erase(running, keys["u-tom-88"], reason="request", by="tester", places=[])
    assert waited == []
    with intake_state.lease(settings):
        erasure.erase(running, keys["u-ann-77"], reason="request", by="tester", places=[])
    assert waited == [ends]


def test_whoever_is_left_with_a_shared_address_is_told_to_the_lake(settings: Settings) -> None:
    vault = Vault(settings)
    keys = vault.register([ANN, TOM | {"email": ANN["email"]}])
    erasure.erase(settings, keys["u-ann-77"], reason="request", by="tester", places=[])
    (link,) = lake.read(settings, "silver.identity_link").to_pylist()
    assert (link["student_key"], link["reason"]) == (keys["u-tom-88"], "erasure")
    assert link["valid_from"].year > 1970


def test_work_under_an_account_that_was_handed_on_stays_the_others(settings: Settings) -> None:
    vault = Vault(settings)
    first = vault.register([ANN], at=NOON - timedelta(days=90))["u-ann-77"]
    second = vault.register([TOM])["u-tom-88"]
    account = f"account:{HOME_PAGE}"
    vault.link(second, account, "aarcherington", at=NOON)
    subject = DistrictKeys.load(settings).subject_key(account, "aarcherington")
    contract = next(one for one in all_contracts() if one.name == "silver.learner_activity")
    rows = [
        {
            **{column.name: value(column, first, subject) for column in contract.columns},
            "event_id": name,
            "event_time": at,
        }
        for name, at in (("hers", NOON - timedelta(days=1)), ("his", NOON + timedelta(days=1)))
    ]
    lake.create(settings, contract.name)
    lake.append(settings, contract.name, rows)
    aside = next(one for one in all_contracts() if one.name == "silver.activity_quarantine")
    set_aside = []
    for row in [*rows, {"event_id": "nobody's", "event_time": None}]:
        event = {"event_id": f"aside-{row['event_id']}", "subject_key": subject}
        event |= {"event_time": row["event_time"].isoformat()} if row["event_time"] else {}
        plain = {column.name: value(column, first, subject) for column in aside.columns}
        set_aside.append(plain | {"event_id": event["event_id"], "record_value": json.dumps(event)})
    lake.create(settings, aside.name)
    lake.append(settings, aside.name, set_aside)
    receipt = erasure.erase(settings, first, reason="request", by="tester", places=[])
    assert subject not in receipt.subject_keys
    assert lake.read(settings, aside.name)["event_id"].to_pylist() == ["aside-his", "aside-nobody's"]
    assert lake.read(settings, contract.name)["event_id"].to_pylist() == ["his"]
    assert [link.student_key for link in vault.links_of([subject])] == [second]


def test_an_erasure_goes_through_tables_that_hold_no_row(settings: Settings) -> None:
    """A quarantine that nothing was ever set aside in is there and empty."""
    key = Vault(settings).register([ANN])["u-ann-77"]
    for contract in lake_erasure.person_tables():
        lake.create(settings, contract.name)
    assert lake.count_rows(settings, "silver.activity_quarantine") == 0
    receipt = erasure.erase(settings, key, reason="request", by="tester", places=[])
    assert receipt.finished_at is not None and not Vault(settings).knows(key)
    assert erasure.scan(settings, receipt, []).remaining == 0
    assert erasure.replay_within_night(settings) == 0


def test_nothing_is_erased_while_a_night_runs_nor_of_nobody(settings: Settings) -> None:
    key = Vault(settings).register([ANN])["u-ann-77"]
    with lock.one_night(settings), pytest.raises(CairnError, match="another night is running"):
        erasure.erase(settings, key, reason="request", by="tester", places=[])
    assert erasures.every(settings) == []
    runner = CliRunner()
    assert runner.invoke(app, ["students", "erase", "nobody", "--reason", "x"]).exit_code == 1
    assert runner.invoke(app, ["students", "erase", "u-ann-77"]).exit_code == 2
    assert Vault(settings).knows(key)


@pytest.mark.parametrize("contract", all_contracts(), ids=lambda contract: contract.name)
def test_a_table_cannot_hold_a_person_without_saying_so(contract: Contract) -> None:
    speaking = ("student_key", "subject_key", "event_id", "pupil_key", "record_key", "record_value", "raw")
    for column in contract.columns:
        is_person = column.classification == "pseudonymous" or column.name.rstrip("s").endswith(speaking[:3])
        assert column.holds or not is_person, f"{contract.name}.{column.name}: say what it holds, for erasures"
    needs = any(
        column.classification in ("pseudonymous", "sensitive") or column.name in speaking for column in contract.columns
    )
    assert contract.person_columns or not needs, f"{contract.name} holds people and no erasure would find them"
