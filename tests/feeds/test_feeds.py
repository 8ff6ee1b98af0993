"""Feeds: files that agree with the marts and the page, swapped in whole, for their owner only; mail without names."""

from __future__ import annotations

import csv
import email
import email.policy
import hashlib
import json
import re
import stat
from pathlib import Path

import pytest

from answers import feed_folders
from answers.pinned_releases import Reader
from answers.school_answers import load_school
from cairn.errors import CairnError
from cairn.settings import Settings
from feeds.feed_file import safe_cell
from feeds.write import write
from identity.disclosure_log import list_disclosures
from tests.feeds.conftest import rows_of
from tests.portal.fixture_release import LEARNING_ID, NOT_PUBLISHED, pupil_name

EVERY_NAME = {part for school in range(3) for number in range(32) for part in pupil_name(school, number)}


def test_feed_agrees_with_the_marts_its_manifest_and_the_page(published: Settings) -> None:
    result = write(published)
    assert result["schools"] == 3 and result["files"] == 3 * 61
    release = Reader(published).current("learning")
    assert release is not None
    view = load_school(release, "school-a")
    assert view is not None
    folder = Path(result["path"]) / "school-a"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["release_id"] == LEARNING_ID and manifest["is_old"]
    expected = {
        "needs_adult.csv": len(view.needs_adult),
        "moves_on.csv": len(view.moves_on),
        "reviews_due.csv": len(view.reviews_due),
        "teachers_words.csv": len(view.overrides),
        "changes.csv": len(view.changes),
        "classes.csv": len(view.classes),
        "groups.csv": len(view.groups),
        "pace.csv": len(view.pace),
    }
    listed = {entry["name"]: entry for entry in manifest["files"]}
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) > 60 and not any(NOT_PUBLISHED.encode() in text for text in texts), "no share of the mart's"
    for name, count in expected.items():
        assert len(rows_of(folder / name)) == listed[name]["rows"] == count
    for name, entry in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    mart = release.rows("select count(*) as n from mart_needs_adult where school_id = 'school-a'")
    assert mart[0]["n"] == expected["needs_adult.csv"]
    assert rows_of(folder / "needs_adult.csv")[0]["pupil"].split()[0] in EVERY_NAME


def test_files_are_their_owners_and_each_school_is_one_disclosure(published: Settings) -> None:
    result = write(published, school="school-c")
    folder = Path(result["path"]) / "school-c"
    assert result["schools"] == 1 and not (folder.parent / "school-a").exists()
    inside = [*folder.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside if path.is_file()} == {0o600}
    folders = [folder, folder.parent, published.feeds_dir, *(path for path in inside if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    rows = list_disclosures(published)
    assert [(row["kind"], row["school_id"], row["actor"]) for row in rows] == [("feed", "school-c", "feeds")]
    with (folder / "needs_adult.csv").open(encoding="utf-8", newline="") as handle:
        keys = {row["pupil_key"] for row in csv.DictReader(handle)}
    assert (
        keys and keys <= set(rows[0]["student_keys"]) and set(feed_folders.pupils_in(folder, "needs_adult.csv")) == keys
    )


def test_writing_again_replaces_the_whole_folder(published: Settings) -> None:
    first = Path(write(published, school="school-a")["path"]) / "school-a"
    (first / "left-over.txt").write_text("from before")
    write(published, school="school-a")
    assert not (first / "left-over.txt").exists() and (first / "manifest.json").exists()
    assert [path.name for path in first.parent.iterdir()] == ["school-a"]


def test_a_feed_that_fails_leaves_the_old_one(settings: Settings) -> None:
    target = feed_folders.folder(settings, "2026-10-14", "school-a")
    with feed_folders.replacing(target) as making:
        (making / "manifest.json").write_text("{}")
    with pytest.raises(ZeroDivisionError), feed_folders.replacing(target) as making:
        (making / "manifest.json").write_text("half")
        raise ZeroDivisionError
    assert (target / "manifest.json").read_text() == "{}"
    assert [path.name for path in target.parent.iterdir()] == ["school-a"]


def test_a_held_school_is_labelled(published: Settings) -> None:
    write(published, school="school-b")
    manifest = feed_folders.latest(published, "school-b")
    assert manifest is not None and manifest["is_held_back"] and "Tue 13 Oct 2026" in manifest["label"]


def test_before_the_first_release_there_is_no_feed(settings: Settings) -> None:
    with pytest.raises(CairnError, match="run a night first"):
        write(settings)


def test_refusals_say_what_to_do(published: Settings) -> None:
    with pytest.raises(CairnError, match="no school 'school-z'"):
        write(published, school="school-z")
    with pytest.raises(CairnError, match="no learning release"):
        write(published, data_date="2026-01-01")
    assert write(published, school="school-a", data_date="2026-10-14")["release_id"] == LEARNING_ID


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_is_a_formula(value: str) -> None:
    assert safe_cell(value) == "'" + value and safe_cell("Ada") == "Ada"


@pytest.mark.parametrize("school_id", ["../up", "a/b", ".", "..", "å"])
def test_any_school_id_is_one_folder(settings: Settings, school_id: str) -> None:
    path = feed_folders.folder(settings, "2026-10-14", school_id)
    assert path.parent == settings.feeds_dir / "2026-10-14" and path.name not in (".", "..")


def test_mail_counts_and_links_but_names_nobody(published: Settings) -> None:
    import asyncio
    import socket
    import threading
    import time

    from answers.accounts import add_account
    from feeds.mail import send
    from feeds.mail_sink import serve

    add_account(published, "leader-a", "school_leader", "school-a", mail="leader@school-a.example")
    add_account(published, "central", "central_office")
    write(published)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    services = {"mail": {"address": f"127.0.0.1:{port}"}, "portal": {"address": "http://127.0.0.1:9/"}}
    published.stack_state_path.parent.mkdir(parents=True)
    published.stack_state_path.write_text(json.dumps({"services": services}))
    with pytest.raises(CairnError, match="mail server"):
        send(published)

    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    server = threading.Thread(target=loop.run_until_complete, args=(serve(published.home / "mail", port, stop),))
    server.start()
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert send(published) | {"data_date": ""} == {"sent": 1, "schools": 1, "skipped": 0, "data_date": ""}
        assert send(published)["skipped"] == 1
        (marker,) = published.feeds_dir.glob("*/.sent.json")
        assert stat.S_IMODE(marker.stat().st_mode) == 0o600
    finally:
        loop.call_soon_threadsafe(stop.set)
        server.join(timeout=10)
        loop.close()
    (path,) = (published.home / "mail").glob("*.eml")
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = letter.get_body()
    assert body is not None and letter["To"] == "leader@school-a.example"
    text = body.get_content()
    manifest = feed_folders.latest(published, "school-a")
    assert manifest is not None
    assert NOT_PUBLISHED not in text + str(letter["Subject"])
    exact = manifest["counts"]
    assert exact["needs_adult_pupils"] == 11 and exact["groups"] < 10
    assert "about 10 pupils need an adult." in text and "about 10 pupils need an adult" in letter["Subject"]
    assert "under 10 small groups would help." in text
    for name in ("moves_on_pupils", "groups"):
        assert not re.search(rf"\b{exact[name]} (pupil|small group)", text), "no number of a few"
    assert "http://127.0.0.1:9/schools/school-a" in text
    words = set(text.replace(",", " ").replace(".", " ").split())
    assert not words & {name for name in EVERY_NAME if len(name) > 3}
