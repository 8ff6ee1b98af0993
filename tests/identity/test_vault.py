"""The vault: keys for people, links for identifiers, and a log of every name given out."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from identity import Vault
from identity.claims import ALWAYS
from identity.crosswalk import load_rules
from identity.disclosure_log import list_disclosures

HOME_PAGE = "account:https://id.cedar.example"
ANN = {
    "sourced_id": "u1",
    "given_name": "Annabel",
    "family_name": "Archerington",
    "username": "aarcherington",
    "email": "Annabel@Cedar.example",
}
TOM = {"sourced_id": "u2", "given_name": "Tomas", "family_name": "Teacherly", "username": "tteacherly"}
LATER = datetime(2026, 11, 2, 7, tzinfo=UTC)


def names(vault: Vault, keys: list[str]) -> dict[str, Any]:
    return vault.names(keys, actor="tester", purpose="test", kind="page", school_id="s1")


def test_the_same_people_again_change_nothing(settings: Settings) -> None:
    vault = Vault(settings)
    first = vault.register([ANN, TOM])
    links = vault.links_for(first.values())
    assert Vault(settings).register([TOM, ANN]) == first
    assert vault.links_for(first.values()) == links
    assert len(set(first.values())) == vault.count() == 2


def test_links_are_made_under_the_keys_the_gateway_makes(settings: Settings) -> None:
    vault = Vault(settings)
    keys, key = DistrictKeys.load(settings), vault.register([ANN])["u1"]
    links = {link.subject_key: link for link in vault.links_for([key])}
    assert set(links) == {
        keys.subject_key("sourcedId", "u1"),
        keys.subject_key(HOME_PAGE, "aarcherington"),
        keys.subject_key("mbox", "mailto:annabel@cedar.example"),
        keys.subject_key("caliper", "https://id.cedar.example/users/aarcherington"),
    }
    assert {(link.valid_from, link.valid_to, link.reason) for link in links.values()} == {(ALWAYS, None, "roster")}


def test_identifiers_resolve_without_names(settings: Settings) -> None:
    vault = Vault(settings)
    key = vault.register([ANN])["u1"]
    assert vault.resolve("mbox", ["annabel@cedar.example", "nobody@cedar.example", ""]) == {
        "annabel@cedar.example": key
    }
    assert vault.resolve("sourcedId", ["u1"]) == {"u1": key}
    assert vault.find("aarcherington") == vault.find(key) == [key]
    assert list_disclosures(settings) == []


def test_names_come_out_logged(settings: Settings) -> None:
    vault = Vault(settings)
    key = vault.register([ANN | {"preferred_given_name": "Bel"}])["u1"]
    name = names(vault, [key, "p_unknown"])[key]
    assert (name.given, name.family, name.display, name.sourced_id) == (
        "Annabel",
        "Archerington",
        "Bel Archerington",
        "u1",
    )
    assert "Annabel" not in repr(name)
    (row,) = list_disclosures(settings)
    assert (row["actor"], row["purpose"], row["kind"], row["school_id"], row["student_count"]) == (
        "tester",
        "test",
        "page",
        "s1",
        1,
    )


def test_a_changed_name_is_kept_under_the_same_key(settings: Settings) -> None:
    vault = Vault(settings)
    key = vault.register([ANN])["u1"]
    assert vault.register([ANN | {"family_name": "Baker"}])["u1"] == key
    assert names(vault, [key])[key].family == "Baker"


def test_a_user_name_given_to_another_pupil_ends_there_and_begins_here(settings: Settings) -> None:
    vault = Vault(settings)
    keys = vault.register([ANN])
    keys |= vault.take_in([TOM | {"username": "aarcherington"}], at=LATER, living=()).keys
    subject = DistrictKeys.load(settings).subject_key(HOME_PAGE, "aarcherington")
    links = [link for link in vault.links_for([keys["u2"]]) if link.subject_key == subject]
    assert [(link.student_key, link.valid_from, link.valid_to) for link in links] == [
        (keys["u1"], ALWAYS, LATER),
        (keys["u2"], LATER, None),
    ]


def test_a_mail_that_two_people_share_means_neither(settings: Settings) -> None:
    vault = Vault(settings)
    shared = "family@cedar.example"
    keys = vault.register([ANN | {"email": shared}])
    assert vault.resolve("mbox", [shared]) == {shared: keys["u1"]}
    vault.register([ANN | {"email": shared}, TOM | {"email": shared}], at=LATER)
    assert vault.resolve("mbox", [shared]) == {}


def test_further_identifiers_and_links_by_hand(settings: Settings) -> None:
    vault = Vault(settings)
    keys = vault.register([ANN | {"identifiers": [("account:https://other.example", "77")]}, TOM])
    assert vault.resolve("account:https://other.example", ["77"]) == {"77": keys["u1"]}
    (link,) = vault.link(keys["u2"], "openid", "https://openid.example/tom")
    assert (link.student_key, link.valid_from, link.reason) == (keys["u2"], ALWAYS, "crosswalk")
    assert [item.valid_to for item in vault.link(keys["u1"], "openid", "https://openid.example/tom", at=LATER)] == [
        LATER,
        None,
    ]
    with pytest.raises(CairnError, match="nobody in the vault"):
        vault.link("p_unknown", "openid", "x")


def test_the_file_holds_no_plain_text_and_is_the_owners_alone(settings: Settings) -> None:
    Vault(settings).register([ANN, TOM])
    for path in settings.vault_dir.iterdir():
        content = path.read_bytes().lower()
        for word in (b"annabel", b"archerington", b"tomas", b"tteacherly"):
            assert word not in content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_registering_at_once_agree(settings: Settings) -> None:
    found: list[dict[str, str]] = []
    people = [TOM | {"sourced_id": f"u{i}", "username": f"user{i}"} for i in range(200)]
    threads = [threading.Thread(target=lambda: found.append(Vault(settings).register(people))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(keys == found[0] for keys in found)


def test_a_person_without_an_id_is_refused_without_a_value(settings: Settings) -> None:
    with pytest.raises(CairnError) as error:
        Vault(settings).register([{"given_name": "Annabel"}])
    assert "Annabel" not in str(error.value)
    assert Vault(settings).count() == 0


def test_identity_yaml_is_checked(settings: Settings, tmp_path: Any) -> None:
    (tmp_path / "identity.yaml").write_text("identifiers:\n  - {kind: mbox, field: phone}\n")
    with pytest.raises(CairnError, match=r"identity\.yaml: identifiers\[0\]"):
        load_rules(settings.model_copy(update={"district_dir": tmp_path}))
