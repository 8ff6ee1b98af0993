"""Signed and sealed: a byte that was changed, a file that is missing or was put in is named; only the key opens it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from answers import feed_access, feed_folders
from cairn.errors import CairnError
from cairn.settings import Settings
from cli.main import main
from feeds.minisign import PublicKey, SigningKey, verify
from feeds.sealing import recipients_in
from feeds.signed import check, signing_key
from feeds.write import write

KEY = SigningKey(bytes(range(32)))
Damage = Callable[[Path], object]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def signed(written_home: Settings, tmp_path: Path) -> Path:
    """A copy of school a's folder."""
    return Path(shutil.copytree(feed_folders.folder(written_home, "2026-10-14", "school-a"), tmp_path / "feed"))


def test_a_feed_as_it_was_written_is_whole(signed: Path, written_home: Settings) -> None:
    found = check(signed, signing_key(written_home).public)
    assert found["files"] == 60 and found["comment"].startswith("school-a 2026-10-14 learning-2026-10-14-1 ")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda feed: _flip(feed / "needs_adult.csv"), "needs_adult.csv: was changed"),
        (lambda feed: _flip(feed / "classes" / "school-a-class-1" / "oneroster.zip"), "oneroster.zip: was changed"),
        (lambda feed: _flip(feed / "manifest.json"), "manifest.json.minisig: the signature does not fit"),
        (lambda feed: _flip(feed / "manifest.json.minisig"), "manifest.json.minisig"),
        (lambda feed: (feed / "standing.parquet").unlink(), "standing.parquet: is missing"),
        (lambda feed: (feed / "manifest.json.minisig").unlink(), "manifest.json.minisig: is missing"),
        (lambda feed: (feed / "more.csv").write_text("x"), "more.csv: was put in"),
        (lambda feed: (feed / "classes" / ".hidden").write_text("x"), ".hidden: was put in"),
    ],
)
def test_what_was_changed_is_named(signed: Path, written_home: Settings, damage: Damage, named: str) -> None:
    damage(signed)
    with pytest.raises(CairnError, match=named):
        check(signed, signing_key(written_home).public)


def test_another_key_does_not_fit(signed: Path) -> None:
    with pytest.raises(CairnError, match="signed with key"):
        check(signed, KEY.public)


def test_a_comment_that_was_changed_is_seen() -> None:
    signature = KEY.sign(b"content", "school-a today")
    assert verify(b"content", signature, KEY.public, "x") == "school-a today"
    for broken in (signature.replace(b"today", b"later"), signature[:-9] + b"\n", b"", signature.replace(b"RU", b"RW")):
        with pytest.raises(CairnError, match=r"^x: "):
            verify(b"content", broken, KEY.public, "x")


def test_keys_are_read_back_and_others_refused() -> None:
    assert PublicKey.read(KEY.public.content(), "x") == PublicKey.read(KEY.public.line, "x") == KEY.public
    with pytest.raises(CairnError, match="x: no minisign public key"):
        PublicKey.read("RWQ=", "x")


def test_the_sealed_feed_opens_with_the_schools_key_only(published: Settings, tmp_path: Path) -> None:
    identity, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    feed_access.set_keys(published, "school-a", [str(identity.to_public())])
    write(published)
    sealed = feed_folders.folder(published, "2026-10-14", "school-a") / feed_folders.DELIVERY
    assert not (sealed.parent.parent / "school-b" / feed_folders.DELIVERY).exists()
    public = signing_key(published).public
    assert check(sealed, public)["files"] == 1
    content = (sealed / "feed.zip.age").read_bytes()
    assert b"needs_adult" not in content
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(content, [other])
    with zipfile.ZipFile(io.BytesIO(pyrage.decrypt(content, [identity]))) as archive:
        archive.extractall(tmp_path / "opened")
    assert check(tmp_path / "opened", public)["files"] == 60
    assert check(sealed.parent, public)["files"] == 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no key in it"),
        ("# a comment\nage1nonsense", "line 2: the key is none"),
        ("AGE-SECRET-KEY-1QQQ", "line 1: .* secret key"),
        ("ssh-ed25519 nonsense", "line 1: the key is none"),
    ],
)
def test_a_key_that_is_none_is_refused_without_showing_it(text: str, said: str) -> None:
    with pytest.raises(CairnError, match=said) as refused:
        recipients_in(text, "school.pub")
    assert "1QQQ" not in str(refused.value) and "nonsense" not in str(refused.value)


def test_the_commands(
    published: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.feeds.settings", lambda: published)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["feeds", *words])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    school_key = tmp_path / "school.pub"
    school_key.write_text(f"# school a\n{pyrage.x25519.Identity.generate().to_public()}\n")
    assert run("key", "add", "--school", "school-a", str(school_key), "--json")[0] == 0
    assert run("key", "list")[1].startswith("school-a  age1")
    status, out, _ = run("write", "--school", "school-a", "--json")
    assert status == 0 and json.loads(out)["failed"] == []
    folder = feed_folders.folder(published, "2026-10-14", "school-a")
    (tmp_path / "cairn.pub").write_text(run("public-key")[1])
    status, out, _ = run("verify", str(folder), "--public-key", str(tmp_path / "cairn.pub"), "--json")
    assert status == 0 and json.loads(out)["files"] == 60
    _flip(folder / "moves_on.csv")
    status, _, err = run("verify", str(folder))
    assert status == 1 and "moves_on.csv: was changed" in err and err.count("\n") == 1
    assert run("key", "remove", "--school", "school-a")[0] == 0
    assert run("key", "list")[1] == "no key\n"
    made = json.loads(run("token", "add", "--school", "school-a", "--name", "sis", "--json")[1])
    assert made["token"] not in run("token", "list")[1] and "sis" in run("token", "list")[1]
    assert run("token", "revoke", "--school", "school-a", "--name", "sis")[0] == 0
    assert "no token named 'sis'" in run("token", "revoke", "--school", "school-a", "--name", "sis")[2]
    assert run("receipts")[1] == "no receipt\n"
