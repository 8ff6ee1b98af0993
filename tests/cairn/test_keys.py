"""Keys: the same identifier gives the same key, nothing else does, and two processes agree on the files."""

from __future__ import annotations

import base64
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn import keys as keys_module
from cairn.errors import CairnError
from cairn.keys import DistrictKeys, event_id, load_or_create_key, normalise_identifier, partition_of
from cairn.sealing import Sealer
from cairn.settings import Settings


def test_key_files_are_private_and_stay(settings: Settings) -> None:
    first = DistrictKeys.load(settings).subject_key("mbox", "a@example.org")
    assert DistrictKeys.load(settings).subject_key("mbox", "a@example.org") == first
    for path in settings.keys_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_those_who_come_first_together_end_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: load_or_create_key(tmp_path / "keys", "subject.v1.key"), range(32)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["subject.v1.key"]


def test_a_broken_key_file_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "subject.v1.key").write_text("no key")
    with pytest.raises(CairnError, match="restore it from backup"):
        load_or_create_key(tmp_path, "subject.v1.key")


def test_another_district_gives_other_keys(tmp_path: Path) -> None:
    one, two = (DistrictKeys.load(Settings(home=tmp_path / name)) for name in ("a", "b"))
    assert one.subject_key("mbox", "a@example.org") != two.subject_key("mbox", "a@example.org")
    assert one.content_hash(b"x") != two.content_hash(b"x")
    assert "x" not in repr(one)[13:]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("mbox", "mailto:Ada@Example.org", "ada@example.org"),
        ("mbox_sha1sum", "AB12", "ab12"),
        ("account:https://id.example", " ada ", "ada"),
        ("account:https://id.example", "Jos\u00e9", "Jose\u0301"),
    ],
)
def test_one_spelling_for_an_identifier(settings: Settings, kind: str, one: str, other: str) -> None:
    keys = DistrictKeys.load(settings)
    assert keys.subject_key(kind, one) == keys.subject_key(kind, other)


def test_kind_and_value_do_not_run_into_each_other(settings: Settings) -> None:
    keys = DistrictKeys.load(settings)
    assert keys.subject_key("account:a", "b") != keys.subject_key("account:", "ab")
    assert keys.subject_key("mbox", "a@b") != keys.subject_key("openid", "a@b")
    assert normalise_identifier("openid", "Ada") == "Ada"


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 9))
def test_event_id_is_the_standards_uuid5(source: str, statement: str, part: int) -> None:
    expected = uuid.uuid5(keys_module.EVENT_NAMESPACE, f"{source}\x1f{statement}\x1f{part}")
    assert event_id(source, statement, part) == str(expected)


@given(st.binary(min_size=20, max_size=20))
def test_base32_is_the_standards(digest: bytes) -> None:
    for part in (digest, digest[:16]):
        assert keys_module._base32(part) == base64.b32encode(part).decode().lower().rstrip("=")


def test_partitions_are_stable_and_spread() -> None:
    assert partition_of("s1_" + "a" * 32, 4) == partition_of("s1_" + "a" * 32, 4)
    counts = [0, 0, 0, 0]
    for number in range(4_000):
        counts[partition_of(f"s1_{number}", 4)] += 1
    assert min(counts) > 800


def test_sealed_bytes_open_with_key_and_context_only(settings: Settings, tmp_path: Path) -> None:
    sealer = Sealer(settings)
    sealed = sealer.seal(b"a name", b"row 1")
    assert b"a name" not in sealed
    assert sealer.open(sealed, b"row 1") == b"a name"
    assert sealer.seal(b"a name", b"row 1") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for broken, context in ((sealed, b"row 2"), (changed, b"row 1"), (sealed[:5], b"row 1")):
        with pytest.raises(CairnError):
            sealer.open(broken, context)
    with pytest.raises(CairnError, match="restore the key"):
        Sealer(Settings(home=tmp_path / "other")).open(sealed, b"row 1")
