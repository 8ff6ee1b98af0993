"""What keeps the vault whole: an older file opened, a backup put back, a key changed, and nobody's links lost."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pyarrow.compute as pc
import pytest

import lake
from cairn.errors import CairnError
from cairn.keys import DistrictKeys, newest_version, version_of
from cairn.settings import Settings
from identity import Vault, backup, erasures
from identity.disclosure_log import list_disclosures
from identity.vault_file import FIRST
from loading import link_student, register_people, rotate_key
from night import erasure
from spark_jobs import lake_erasure

ACCOUNT = "account:https://id.cedar.example"
ANN = {"sourced_id": "u1", "given_name": "Annabel", "username": "ann1", "email": "ann@cedar.example", "school_id": "s1"}
TOM = {"sourced_id": "u2", "given_name": "Tomas", "username": "tom2", "school_id": "s1"}
PASSPHRASE = "a passphrase for tests"


def test_a_vault_of_the_first_version_is_opened_with_all_its_people(settings: Settings) -> None:
    keys, path = DistrictKeys.load(settings), settings.vault_dir / "vault.sqlite"
    key = Vault(settings).register([ANN])["u1"]
    with closing(sqlite3.connect(path)) as database:
        people = database.execute("select * from person").fetchall()
        links = database.execute("select * from identifier").fetchall()
    for file in settings.vault_dir.glob("vault.sqlite*"):
        file.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST)
        database.executemany("insert into person values (?,?,?,?,?,?)", people)
        database.executemany("insert into identifier values (?,?,?,?,?,?)", links)
        database.execute("pragma user_version = 1")
        database.commit()
    vault = Vault(settings)
    assert vault.find("ann1") == [key]
    assert vault.names([key], actor="tester", purpose="test", kind="page")[key].given == "Annabel"
    assert vault.register([ANN, TOM])["u1"] == key
    vault.merge(key, vault.find("tom2")[0], by="tester", reason="test")
    assert vault.find("tom2") == [key]
    assert keys.version == 1


def test_a_backup_puts_back_who_is_who_and_forgets_again_who_was_erased_since(
    settings: Settings, tmp_path: Path
) -> None:
    keys = register_people(settings, [ANN, TOM])
    Vault(settings).names([keys["u2"]], actor="tester", purpose="before", kind="page")
    file = tmp_path / "vault.backup"
    assert backup.backup(settings, file, PASSPHRASE) >= 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Annabel" not in file.read_bytes()
    receipt = erasure.erase(settings, keys["u1"], reason="request", by="tester", places=[])
    with pytest.raises(CairnError, match="say --replace"):
        backup.restore(settings, file, PASSPHRASE)
    with pytest.raises(CairnError, match="does not open"):
        backup.restore(settings, file, PASSPHRASE + "x", replace=True)
    assert Vault(settings).count() == 1
    restored = backup.restore(settings, file, PASSPHRASE, replace=True)
    assert (restored.receipts_kept, Vault(settings).count()) == (1, 2)
    assert [one.erasure_id for one in erasure.replay(settings, [])] == [receipt.erasure_id]
    assert (Vault(settings).count(), Vault(settings).find("tom2")) == (1, [keys["u2"]])
    assert erasure.scan(settings, receipt, []).remaining == 0
    assert [row["purpose"] for row in list_disclosures(settings)] == ["before"]


def test_a_damaged_or_foreign_backup_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    Vault(settings).register([ANN])
    file = tmp_path / "vault.backup"
    with pytest.raises(CairnError, match="too short"):
        backup.backup(settings, file, "short")
    backup.backup(settings, file, PASSPHRASE)
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"\0" * 9)
    with pytest.raises(CairnError, match="does not open"):
        backup.restore(settings, file, PASSPHRASE, replace=True)
    file.write_bytes(b"something else")
    with pytest.raises(CairnError, match="is no backup"):
        backup.restore(settings, file, PASSPHRASE, replace=True)
    assert Vault(settings).find("ann1") != []


def test_a_new_key_joins_old_and_new_work_to_the_same_people(settings: Settings) -> None:
    keys = register_people(settings, [ANN, TOM])
    link_student(settings, keys["u2"], "openid", "https://openid.example/tom")
    before = DistrictKeys.load(settings)
    result = rotate_key(settings)
    after = DistrictKeys.load(settings)
    assert (result["version"], result["to_link_again"]) == (2, 0)
    assert (before.version, after.version, newest_version(settings)) == (1, 2, 2)
    known = lake.read(settings, "silver.identity_link", filters=pc.field("recorded_to").is_null()).to_pylist()
    meant = {row["subject_key"]: row["student_key"] for row in known}
    for student, kind, value in (
        (keys["u1"], ACCOUNT, "ann1"),
        (keys["u1"], "mbox", "ann@cedar.example"),
        (keys["u2"], ACCOUNT, "tom2"),
        (keys["u2"], "openid", "https://openid.example/tom"),
    ):
        assert {meant[one.subject_key(kind, value)] for one in (before, after)} == {student}
    # The roster after it meets the same people, and nothing changes but what it says.
    assert register_people(settings, [ANN, TOM]) == keys
    assert Vault(settings).find("ann1") == [keys["u1"]]
    assert rotate_key(settings)["version"] == 3
    who = Vault(settings).identity(keys["u1"])
    assert {version_of(key) for key in who.subject_keys} == {1, 2, 3}


def test_a_rotation_that_died_after_its_key_was_made_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = register_people(settings, [ANN])
    DistrictKeys.load(settings, 2)
    assert DistrictKeys.load(settings).version == 2
    # The vault still looks up by the first key: the roster finds who it knows.
    assert register_people(settings, [ANN]) == keys
    assert rotate_key(settings)["version"] == 2
    assert register_people(settings, [ANN]) == keys


def test_erasures_and_their_tables_name_nobody(settings: Settings) -> None:
    key = register_people(settings, [ANN])["u1"]
    receipt = erasure.erase(settings, key, reason="request", by="tester", places=[])
    text = (erasures.folder(settings) / f"{receipt.erasure_id}.json").read_text()
    assert not [word for word in ("Annabel", "ann1", "ann@") if word in text]
    assert lake_erasure.is_done(settings, receipt.erasure_id)
    with pytest.raises(CairnError, match="no receipt"):
        erasures.get(settings, "e_0")
