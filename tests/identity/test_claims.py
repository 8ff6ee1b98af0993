"""Whose identifier it is: every claim is weighed against those of all living people, whenever they came."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from cairn.settings import Settings
from identity import Vault
from identity.claims import ALWAYS
from identity.vault_file import FIRST

MAIL = "family.sand@alder.example"
PIA = {"sourced_id": "u1", "given_name": "Pia", "family_name": "Sand", "email": MAIL}
BEN = {"sourced_id": "u2", "given_name": "Ben", "family_name": "Sand", "email": MAIL.title()}
START = datetime(2026, 11, 2, 7, tzinfo=UTC)
LATER = START + timedelta(days=1)


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings)


def means(vault: Vault) -> str | None:
    return vault.resolve("mbox", [MAIL]).get(MAIL)


def test_a_shared_address_that_arrives_alone_links_to_nobody_and_is_listed(vault: Vault) -> None:
    pia = vault.register([PIA], at=START)["u1"]
    assert means(vault) == pia
    taken = vault.take_in([BEN], at=LATER)
    assert means(vault) is None
    (shared,) = vault.shared()
    assert (shared.kind, shared.student_keys, shared.means) == ("mbox", tuple(sorted([pia, taken.keys["u2"]])), None)
    # The load of the second child says that the first one's link has ended.
    assert [(link.student_key, link.valid_from, link.valid_to) for link in taken.links if link.kind == "mbox"] == [
        (pia, ALWAYS, LATER)
    ]
    assert vault.take_in([BEN, PIA], at=LATER + timedelta(days=1)).links == vault.links_for([pia, taken.keys["u2"]]), (
        "the same people again change nothing"
    )


def test_it_means_the_one_who_is_left_when_the_other_has_an_address_of_her_own(vault: Vault) -> None:
    keys = vault.register([PIA, BEN], at=START)
    taken = vault.take_in([BEN | {"email": "ben@alder.example"}], at=LATER)
    assert means(vault) == keys["u1"]
    assert [(link.student_key, link.valid_from) for link in taken.links if link.student_key == keys["u1"]] == [
        (keys["u1"], LATER)
    ], "what was done under it while both had it may be either's"
    assert vault.shared() == []


def test_whoever_is_gone_claims_nothing(vault: Vault) -> None:
    keys = vault.register([PIA, BEN], at=START)
    taken = vault.take_in([], at=LATER, living={keys["u2"]})
    assert (means(vault), vault.shared()) == (keys["u2"], [])
    assert [(link.student_key, link.valid_from) for link in taken.links if link.kind == "mbox"] == [(keys["u2"], LATER)]
    vault.take_in([], at=LATER + timedelta(days=1), living=())
    assert means(vault) == keys["u2"], "late work of somebody who has left stays hers"


@pytest.mark.parametrize("is_linked_first", [False, True])
def test_a_link_by_hand_decides_between_claims(vault: Vault, is_linked_first: bool) -> None:
    keys = vault.register([PIA] if is_linked_first else [PIA, BEN], at=START)
    vault.link(keys["u1"], "mbox", MAIL, at=START + timedelta(hours=1))
    for days in (1, 2):
        vault.register([PIA, BEN], at=START + timedelta(days=days))
        assert means(vault) == keys["u1"], "the next nights do not undo it"
    (shared,) = vault.shared()
    assert shared.means == keys["u1"]


def test_what_a_merged_record_claims_stays_when_the_other_one_comes_alone(vault: Vault) -> None:
    own = PIA | {"sourced_id": "u3", "email": "pia@alder.example"}
    pia = vault.register([PIA, own], at=START)
    vault.merge(pia["u1"], pia["u3"], by="tester", reason="registered twice", at=START + timedelta(hours=1))
    vault.take_in([own], at=LATER, living=[pia["u1"]])
    vault.register([own], at=LATER)
    assert means(vault) == pia["u1"]
    vault.take_in([BEN], at=LATER + timedelta(days=1), living=[pia["u1"]])
    assert means(vault) is None, "her first record still claims it"
    # A whole roster that has one of the records only has no word of the other one.
    taken = vault.take_in([own, BEN], at=LATER + timedelta(days=2), living=())
    assert means(vault) == taken.keys["u2"]


def test_after_an_erasure_a_shared_address_is_that_of_whoever_is_left_from_then_on(vault: Vault) -> None:
    keys = vault.register([PIA, BEN], at=START)
    ben = vault.identity(keys["u2"])
    begun = datetime.now(UTC)
    vault.forget(ben.student_keys, "e_1")
    assert (means(vault), vault.shared()) == (keys["u1"], [])
    (link,) = [link for link in vault.links_for([keys["u1"]]) if link.kind == "mbox"]
    assert begun <= link.valid_from <= datetime.now(UTC)


def test_an_erasure_takes_what_is_only_claimed_and_its_sealed_value(vault: Vault) -> None:
    value = "1234"
    both = [one | {"identifiers": [("lms", value)]} for one in (PIA, BEN)]
    keys = vault.register(both, at=START)
    for number, key in enumerate(keys.values()):
        vault.forget([key], f"e_{number}")
    with sqlite3.connect(vault.path) as file:
        for table in ("identifier", "claim", "identifier_value", "person"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_a_vault_of_before_knows_whose_identifiers_they_were(settings: Settings) -> None:
    settings.vault_dir.mkdir(parents=True, mode=0o700)
    with sqlite3.connect(settings.vault_dir / "vault.sqlite") as file:
        file.executescript(f"{FIRST}; PRAGMA user_version = 1")
        file.execute("INSERT INTO person VALUES ('p_old', 's1_old', x'00', '', '', '')")
        file.execute("INSERT INTO identifier VALUES ('s1_x', 'p_old', 'mbox', '1970-01-01', NULL, 'crosswalk')")
        file.execute("INSERT INTO identifier VALUES ('s1_y', 'p_old', 'mbox', '1970-01-01', '2026-01-01', 'roster')")
    vault = Vault(settings)
    assert vault.count() == 1
    with sqlite3.connect(settings.vault_dir / "vault.sqlite") as file:
        assert list(file.execute("SELECT subject_key, student_key, source FROM claim")) == [("s1_x", "p_old", "hand")]
