"""Delivery over real servers: whole or not at all, once, tried again, with receipts; one school stops no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml
from pyarrow import fs

from answers import feed_access, feed_folders
from cairn.errors import CairnError
from cairn.settings import Settings
from feeds import places
from feeds.deliver import deliver
from feeds.signed import check, signing_key
from feeds.write import write
from identity.disclosure_log import list_disclosures
from tests.conftest import STORE_KEY, STORE_SECRET
from tests.sftp_server import Server, sftp_server


@dataclass
class District:
    """A home whose schools a and b have keys, with feeds written; ``waits``: seconds that were waited."""

    settings: Settings
    identity: pyrage.x25519.Identity
    waits: list[float]

    def configure(self, **schools: list[dict[str, Any]]) -> None:
        """Write feeds.yaml: school_a stands for school-a."""
        self.settings.district_dir.mkdir(parents=True, exist_ok=True)
        named = {name.replace("_", "-"): ways for name, ways in schools.items()}
        (self.settings.district_dir / "feeds.yaml").write_text(yaml.safe_dump({"schools": named}))

    def deliver(self, school: str | None = None) -> dict[str, Any]:
        """Deliver without waiting."""
        return deliver(self.settings, school, sleep=self.waits.append)

    def receipts(self, *columns: str) -> list[tuple[Any, ...]]:
        """Receipts, these columns."""
        return [tuple(row[name] for name in columns) for row in feed_access.list_receipts(self.settings)]


@pytest.fixture(scope="module")
def sealed_home(tmp_path_factory: pytest.TempPathFactory, published_home: Path) -> tuple[Path, pyrage.x25519.Identity]:
    """A home with keys and feeds."""
    home = tmp_path_factory.mktemp("sealed") / "home"
    shutil.copytree(published_home, home)
    settings, identity = Settings(home=home), pyrage.x25519.Identity.generate()
    for school in ("school-a", "school-b"):
        feed_access.set_keys(settings, school, [str(identity.to_public())])
    write(settings)
    return home, identity


@pytest.fixture
def district(settings: Settings, sealed_home: tuple[Path, pyrage.x25519.Identity]) -> District:
    """The test's own copy."""
    shutil.copytree(sealed_home[0], settings.home)
    return District(settings, sealed_home[1], [])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One SFTP server for the file."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as running:
        yield running


def _is_whole(district: District, folder: Path) -> bool:
    manifest = check(folder, signing_key(district.settings).public)["manifest"]
    opened = pyrage.decrypt((folder / "feed.zip.age").read_bytes(), [district.identity])
    return manifest["school_id"] in ("school-a", "school-b") and opened.startswith(b"PK")


def test_a_folder_gets_each_feed_once_and_whole(district: District, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    district.configure(school_a=[{"kind": "folder", "path": str(drop)}])
    assert district.deliver() == {"delivered": 1, "there": 0, "failed": []}
    (feed,) = drop.iterdir()
    assert feed.name.startswith("2026-10-14-") and _is_whole(district, feed)
    assert sorted(path.name for path in feed.iterdir()) == [
        "cairn-feeds.pub",
        "feed.zip.age",
        "manifest.json",
        "manifest.json.minisig",
    ]
    assert district.deliver() == {"delivered": 0, "there": 1, "failed": []}
    (row,) = [row for row in list_disclosures(district.settings) if "delivered" in row["purpose"]]
    assert row["purpose"] == "school feed delivered by folder" and row["student_count"] == 32
    assert district.receipts("school_id", "way", "outcome") == [("school-a", "folder", "delivered")]
    # What was delivered is what the next feed is compared with.
    write(district.settings, school="school-a")
    manifest = feed_folders.latest(district.settings, "school-a")
    assert manifest is not None and "learning-2026-10-14-1" in manifest["changes_since"]
    assert district.deliver()["delivered"] == 1 and len([*drop.iterdir()]) == 2


def test_a_reader_never_sees_half_a_feed(district: District, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    district.configure(school_a=[{"kind": "folder", "path": str(drop)}])
    copied: list[str] = []

    def copy(source: Path, target: Path) -> None:
        assert [path for path in drop.iterdir() if not path.name.startswith(".")] == []
        copied.append(target.name)
        if len(copied) < 4:
            raise OSError("the disk is full")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(places.shutil, "copyfile", copy)
    assert district.deliver()["failed"][0]["why"].endswith("the feed was not taken (the disk is full)")
    assert [*drop.iterdir()] == [] and district.waits == [5.0, 20.0]
    assert district.deliver()["delivered"] == 1
    assert copied[-1] == "manifest.json"


def test_one_schools_failure_stops_no_other_and_is_said(district: District, tmp_path: Path, server: Server) -> None:
    (tmp_path / "b").mkdir()
    district.configure(
        school_a=[{"kind": "folder", "path": str(tmp_path / "nowhere")}],
        school_b=[{"kind": "folder", "path": str(tmp_path / "b")}],
        school_c=[{"kind": "folder", "path": str(tmp_path / "b")}],
    )
    result = district.deliver()
    failed = {one["school_id"]: one["why"] for one in result["failed"]}
    assert result["delivered"] == 1 and set(failed) == {"school-a", "school-c"}
    assert "there is no such folder" in failed["school-a"]
    assert "school school-c has no key" in failed["school-c"] and "feeds key add" in failed["school-c"]
    assert len([*(tmp_path / "b").iterdir()]) == 1
    assert sorted(district.receipts("school_id", "outcome")) == [
        ("school-a", "failed"),
        ("school-b", "delivered"),
        ("school-c", "failed"),
    ]
    (tmp_path / "nowhere").mkdir()
    assert district.deliver("school-a")["delivered"] == 1
    with pytest.raises(CairnError, match="no way for school 'school-z'"):
        district.deliver("school-z")


def test_by_sftp_the_folder_appears_whole(district: District, server: Server) -> None:
    way = {
        "kind": "sftp",
        "host": "127.0.0.1",
        "port": server.port,
        "username": "district",
        "path": "/outgoing",
        "known_hosts": str(server.known_hosts),
        "client_key": str(server.client_key),
    }
    district.configure(school_a=[way], school_b=[{**way, "path": "/not-there"}])
    result = district.deliver()
    assert result["delivered"] == 1 and "the feed was not taken" in result["failed"][0]["why"]
    (feed,) = server.outgoing.iterdir()
    assert feed.name.startswith("2026-10-14-") and _is_whole(district, feed)
    assert district.deliver("school-a") == {"delivered": 0, "there": 1, "failed": []}


def test_a_store_of_objects_gets_the_manifest_last(
    district: District, object_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEEDS_SECRET", STORE_SECRET)
    way = {"kind": "s3", "bucket": "lake", "prefix": "feeds/a", "endpoint": object_store, "region": "us-east-1"}
    way |= {"key_id": STORE_KEY, "secret": {"env": "FEEDS_SECRET"}}
    district.configure(school_a=[way], school_b=[{**way, "key_id": "another"}])
    result = district.deliver()
    assert result["delivered"] == 1
    (failed,) = result["failed"]
    assert failed["school_id"] == "school-b" and STORE_SECRET not in failed["why"]
    store = fs.S3FileSystem(
        access_key=STORE_KEY,
        secret_key=STORE_SECRET,
        region="us-east-1",
        endpoint_override=object_store.removeprefix("http://"),
        scheme="http",
    )
    found = store.get_file_info(fs.FileSelector("lake/feeds/a", recursive=True))
    times = {info.base_name: info.mtime_ns for info in found if info.type == fs.FileType.File}
    assert len(times) == 4 and max(times.values()) == times["manifest.json"]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ({"kind": "ftp"}, "kind"),
        ({"kind": "folder"}, "path"),
        ({"kind": "sftp", "host": "h", "username": "u", "path": "/", "known_hosts": "k"}, "client_key .* or password"),
        ({"kind": "s3", "bucket": "abc", "endpoint": "http://objects.example"}, "use https://"),
        ({"kind": "s3", "bucket": "abc", "secret": "in the clear"}, "secret"),
    ],
)
def test_a_wrong_way_is_refused_by_key_without_its_value(district: District, way: dict[str, Any], said: str) -> None:
    district.configure(school_a=[way])
    with pytest.raises(CairnError, match=rf"feeds\.yaml.*{said}") as refused:
        district.deliver()
    assert "in the clear" not in str(refused.value)
