"""userProfiles.csv: what an app calls a person means the person, where the district says which app it is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import yaml

import loading
from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.settings import Settings
from identity import Vault
from tests.loading.pickup.conftest import roster_zip

APP = "account:https://app.example"
PROFILES = """sourcedId,status,dateLastModified,userSourcedId,profileType,vendorId,applicationId,username,password
p0,,,u0,app,App.Example,reader,ann7,never kept
p1,,,u1,app,app.example,writer,bo8,
p2,,,u1,app,other.example,reader,bo9,
p3,,,,app,app.example,reader,nobody,
p4,tobedeleted,2026-09-01,u2,app,app.example,reader,cy1,
"""


@pytest.mark.parametrize("application", [None, "reader"])
def test_an_account_of_an_app_means_its_person(settings: Settings, tmp_path: Path, application: str | None) -> None:
    rule = {"kind": APP, "vendor": "app.example", **({"application": application} if application else {})}
    settings.district_dir.mkdir(parents=True)
    identity = load_yaml_mapping(EXAMPLES / "identity.yaml") | {"profiles": [rule]}
    (settings.district_dir / "identity.yaml").write_text(yaml.safe_dump(identity))
    path = roster_zip(tmp_path / "roster.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("userProfiles.csv", PROFILES)
    done = loading.load_roster(settings, path)
    assert done["problems"] == ["userProfiles.csv:5: userSourcedId is empty"]
    vault = Vault(settings)
    meant = vault.resolve(APP, ["ann7", "bo8", "bo9", "cy1"])
    people = vault.resolve("sourcedId", ["u0", "u1"])
    expected = {"ann7": people["u0"], **({} if application else {"bo8": people["u1"]})}
    assert meant == expected
    used = f"5 rows read, {len(expected)} are identifiers by identity.yaml's profiles; the rest is not stored"
    assert f"userProfiles.csv:1: {used}" in done["warnings"]
