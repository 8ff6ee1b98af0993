"""Jars are what the lock names, or one clear line says what is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.settings import Settings
from infra import jars

SMALL = {"broker": {"a.jar": b"stone"}, "spark": {"b.jar": b"pebble"}}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Two sets of one tiny jar each in place of the real lock."""
    sums = {
        kind: {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} for kind, files in SMALL.items()
    }
    monkeypatch.setattr(jars, "locked", lambda: sums)
    return Settings(home=tmp_path / "home", cache_dir=tmp_path / "cache")


def bring(kind: str, into: Path, *_: Any) -> None:
    """A download that works."""
    into.mkdir(parents=True)
    for name, data in SMALL[kind].items():
        (into / name).write_bytes(data)


def bring_other(kind: str, into: Path, *_: Any) -> None:
    """A download that brings something else."""
    into.mkdir(parents=True)
    for name in SMALL[kind]:
        (into / name).write_bytes(b"tampered")


def bring_nothing(kind: str, *_: Any) -> None:
    """A download that fails."""
    raise CairnError(f"the {kind} jars could not be fetched")


def test_the_lock_names_every_jar_of_each_set() -> None:
    sums = jars.locked()
    assert {kind: len(files) for kind, files in sums.items()} == {"broker": 46, "spark": 6, "s3": 36}
    assert all(len(digest) == 64 for files in sums.values() for digest in files.values())
    # One resolve brings one version of a library: two would be a conflict on the class path.
    assert "kafka-clients-4.3.1.jar" in sums["broker"] and "kafka-clients-3.9.2.jar" in sums["spark"]


def test_the_jars_of_s3_are_fetched_only_for_a_lake_on_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "locked", lambda: {"spark": {}, "s3": {"hadoop-aws.jar": "0"}})
    assert list(jars.needed(Settings(home=tmp_path))) == ["spark"]
    assert list(jars.needed(Settings(home=tmp_path, lake_url="s3://district/lake"))) == ["spark", "s3"]
    assert not jars.ensure(Settings(home=tmp_path, cache_dir=tmp_path / "cache"), lambda line: None, bring_nothing)


def test_what_is_there_is_not_fetched_again(small: Settings) -> None:
    assert jars.ensure(small, lambda line: None, bring)
    assert not jars.ensure(small, lambda line: None, bring_nothing)
    assert sorted(path.name for path in (small.cache_dir / "jars").iterdir()) == [".lock", "broker", "spark"]


def test_a_corrupted_jar_is_one_line_and_is_fetched_again(small: Settings) -> None:
    jars.ensure(small, lambda line: None, bring)
    broken = small.cache_dir / "jars" / "broker"
    (broken / "a.jar").write_bytes(b"ston")
    found = jars.problems(broken, jars.locked()["broker"])
    assert jars.summary(found, broken) == f"{broken}: a.jar is not the pinned file (its sha256 differs)"
    assert jars.ensure(small, lambda line: None, bring)
    assert jars.problems(broken, jars.locked()["broker"]) == []


def test_a_download_of_something_else_changes_nothing(small: Settings) -> None:
    with pytest.raises(CairnError, match=r"what was fetched is not what is pinned: .*a\.jar is not the pinned file"):
        jars.ensure(small, lambda line: None, bring_other)
    assert [path.name for path in (small.cache_dir / "jars").iterdir()] == [".lock"]


def test_a_jar_that_the_lock_does_not_name_is_found(small: Settings) -> None:
    jars.ensure(small, lambda line: None, bring)
    folder = small.cache_dir / "jars" / "spark"
    (folder / "extra.jar").write_bytes(b"x")
    assert jars.problems(folder, jars.locked()["spark"]) == ["extra.jar is not in infra/jars.lock"]
