"""At 06:00 there is always something, and it says how old it is: whatever failed, for whichever school."""

from __future__ import annotations

import html
from typing import Any

import pyrage
import pytest

from answers import feed_access, feed_folders
from cairn.errors import CairnError
from cairn.settings import Settings
from feeds import school_folder
from feeds.deliver import deliver
from feeds.signed import check, signing_key
from feeds.write import write
from identity.disclosure_log import list_disclosures
from tests.feeds.conftest import rows_of


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writing of school b fails half-way: its lists are there, its page is not."""
    usual = school_folder.feed_page

    def page(view: Any, *rest: Any, **more: Any) -> bytes:
        if view.school["school_id"] == "school-b":
            raise RuntimeError("the disk is full")
        return usual(view, *rest, **more)

    monkeypatch.setattr(school_folder, "feed_page", page)


def _manifest(settings: Settings, school_id: str) -> dict[str, Any]:
    found = feed_folders.latest(settings, school_id)
    assert found is not None
    return found


def test_before_any_release_each_command_says_so_in_one_line(settings: Settings) -> None:
    with pytest.raises(CairnError, match="nothing has been published yet: run a night first"):
        write(settings)
    assert deliver(settings) == {"delivered": 0, "there": 0, "failed": []}
    settings.district_dir.mkdir(parents=True)
    (settings.district_dir / "feeds.yaml").write_text("schools: {school-a: [{kind: folder, path: /srv}]}")
    (failed,) = deliver(settings)["failed"]
    assert "no feed yet" in failed["why"]
    assert not settings.feeds_dir.exists()


def test_an_old_release_and_a_school_held_back_are_labelled_in_every_copy(published: Settings) -> None:
    write(published)
    for school, words in (("school-a", "This is the answer of Wed 14 Oct 2026."), ("school-b", "Held back: ")):
        manifest = _manifest(published, school)
        folder = feed_folders.folder(published, manifest["data_date"], school)
        assert manifest["label"] and manifest["is_old"]
        assert manifest["label"].startswith(words) and manifest["label"] in html.unescape(
            (folder / "feed.html").read_text()
        )


def test_one_schools_failure_leaves_the_others_theirs_and_it_its_last_one(published: Settings, failing: None) -> None:
    yesterday = feed_folders.folder(published, "2026-10-13", "school-b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(school_folder, "feed_page", lambda *_, **__: b"<body>page</body>")
        write(published, school="school-b")
    feed_folders.folder(published, "2026-10-14", "school-b").parent.rename(yesterday.parent)
    manifest = feed_folders.read_manifest(yesterday)
    assert manifest is not None
    feed = yesterday / feed_folders.MANIFEST
    feed.write_text(feed.read_text().replace('"data_date": "2026-10-14"', '"data_date": "2026-10-13"', 1))

    result = write(published)
    assert result["schools"] == 2 and [*result["failed"]] == [
        {"school_id": "school-b", "why": "RuntimeError", "last_feed_stands_in": True}
    ]
    for school in ("school-a", "school-b", "school-c"):
        folder = feed_folders.folder(published, "2026-10-14", school)
        assert check(folder, signing_key(published).public)["files"] == 60
    stands_in = _manifest(published, "school-b")
    assert stands_in["is_old"] and stands_in["label"] == (
        "Today's feed could not be written. This is the answer of Tue 13 Oct 2026."
    )
    stand_in = feed_folders.folder(published, "2026-10-14", "school-b")
    assert "<strong>Today&#x27;s feed could not" in (stand_in / "feed.html").read_text()
    assert rows_of(feed_folders.folder(published, "2026-10-14", "school-b") / "needs_adult.csv")
    assert len([row for row in list_disclosures(published) if "in place of one that failed" in row["purpose"]]) == 1
    assert not [*published.feeds_dir.glob(f"*/{feed_folders.MAKING}*")]


def test_a_school_that_never_had_a_feed_is_told_as_such(published: Settings, failing: None) -> None:
    (failed,) = write(published)["failed"]
    assert not failed["last_feed_stands_in"] and feed_folders.latest(published, "school-b") is None
    with pytest.raises(CairnError, match="no feed could be written: school-b: RuntimeError"):
        write(published, school="school-b")


def test_what_stands_in_is_sealed_anew(published: Settings, failing: None) -> None:
    identity = pyrage.x25519.Identity.generate()
    feed_access.set_keys(published, "school-b", [str(identity.to_public())])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(school_folder, "feed_page", lambda *_, **__: b"<body>page</body>")
        write(published, school="school-b")
    first = feed_folders.folder(published, "2026-10-14", "school-b")
    feed_folders.folder(published, "2026-10-13", "school-b").parent.mkdir()
    first.rename(feed_folders.folder(published, "2026-10-13", "school-b"))
    manifest_path = feed_folders.folder(published, "2026-10-13", "school-b") / feed_folders.MANIFEST
    manifest_path.write_text(manifest_path.read_text().replace('_date": "2026-10-14"', '_date": "2026-10-13"'))
    assert write(published)["failed"][0]["last_feed_stands_in"]
    sealed = first / feed_folders.DELIVERY
    assert check(sealed, signing_key(published).public)["manifest"]["label"].startswith("Today's feed could not")
    assert pyrage.decrypt((sealed / "feed.zip.age").read_bytes(), [identity]).startswith(b"PK")
