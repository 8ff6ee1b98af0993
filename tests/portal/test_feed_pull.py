"""Feeds for machines: a token of one school, the sealed feed with resume, results by OneRoster, who fetched what."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from starlette.testclient import TestClient

from answers import feed_access, feed_folders
from cairn.settings import Settings
from feeds.write import write
from identity.disclosure_log import list_disclosures
from portal.app import create_app
from tests.portal.conftest import Pages

GRADEBOOK = "/feeds/school-a/ims/oneroster/gradebook/v1p2"
SEALED = "/feeds/school-a/feed.zip.age"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pages: Pages) -> Path:
    """The portal's fixture with feeds; school a has a key."""
    home = tmp_path_factory.mktemp("pull") / "home"
    shutil.copytree(pages.settings.home, home)
    settings = Settings(home=home)
    # Receipts and wrong tokens of other tests, and what they say was sent.
    feed_access.access_path(settings).unlink(missing_ok=True)
    shutil.rmtree(feed_folders.sent_folder(settings, "school-a"), ignore_errors=True)
    feed_access.set_keys(settings, "school-a", [str(pyrage.x25519.Identity.generate().to_public())])
    write(settings)
    return home


@pytest.fixture
def pull(settings: Settings, home: Path) -> Iterator[TestClient]:
    """A client with a token of school a."""
    shutil.copytree(home, settings.home, dirs_exist_ok=True)
    token = feed_access.add_token(settings, "school-a", "sis")
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(create_app(settings), base_url="http://127.0.0.1", headers=headers) as client:
        yield client


def _receipts(settings: Settings) -> list[tuple[str, ...]]:
    names = ("school_id", "way", "who", "file", "outcome", "detail")
    return [tuple(row[name] for name in names) for row in feed_access.list_receipts(settings)]


def test_a_feed_is_fetched_whole_or_from_where_it_broke_off(pull: TestClient, settings: Settings) -> None:
    feed = feed_folders.folder(settings, "2026-10-14", "school-a")
    content = (feed / feed_folders.DELIVERY / "feed.zip.age").read_bytes()
    for name in ("manifest.json", "manifest.json.minisig", "cairn-feeds.pub"):
        assert pull.get(f"/feeds/school-a/{name}").content == (feed / feed_folders.DELIVERY / name).read_bytes()
    whole = pull.get(SEALED)
    etag = whole.headers["etag"]
    manifest = feed_folders.read_manifest(feed / feed_folders.DELIVERY)
    assert whole.content == content and manifest is not None and etag == f'"{manifest["files"][0]["sha256"]}"'
    rest = pull.get(SEALED, headers={"Range": "bytes=100-", "If-Range": etag})
    assert rest.status_code == 206 and whole.content[:100] + rest.content == content
    other = pull.get(SEALED, headers={"Range": "bytes=100-", "If-Range": '"another feed"'})
    assert other.status_code == 200 and other.content == content
    assert pull.get(SEALED, headers={"If-None-Match": etag}).status_code == 304
    assert pull.get(SEALED, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert [row[5] for row in _receipts(settings) if row[3] == "feed.zip.age"][:3] == ["", "bytes=100-", "bytes=100-"]
    shown = [row for row in list_disclosures(settings) if row["purpose"] == "school feed fetched"]
    assert shown[0]["actor"] == "feed token sis" and shown[0]["route"] == "/feeds/{school_id}/{name}"
    assert shown[0]["student_count"] == len(shown[0]["student_keys"]) == 32


@pytest.mark.parametrize(("asked", "is_sent"), [({}, True), ({"Range": "bytes=0-99"}, False)])
def test_only_who_has_its_end_has_the_feed(
    pull: TestClient, settings: Settings, asked: dict[str, str], is_sent: bool
) -> None:
    assert pull.head(SEALED).status_code == 200 and _receipts(settings) == []
    assert pull.get(SEALED, headers=asked).is_success
    kept = feed_folders.sent_folder(settings, "school-a") / feed_folders.STANDING
    assert kept.exists() == is_sent and len(_receipts(settings)) == 1


def test_a_token_opens_its_own_school_and_nothing_else(pull: TestClient, settings: Settings, pages: Pages) -> None:
    for path, status in (
        ("/feeds/school-b/feed.zip.age", 403),
        ("/feeds/school-b/ims/oneroster/gradebook/v1p2/results", 403),
        ("/feeds/school-a/needs_adult.csv", 404),
        ("/feeds/school-a/.pupils.json", 404),
        (f"{GRADEBOOK}/users", 404),
    ):
        assert pull.get(path).status_code == status, path
    for page in ("/schools/school-a", "/schools/school-a/feed", "/schools/school-a/feed/needs_adult.csv", "/"):
        assert pull.get(page, follow_redirects=False).status_code == 303
    # A session opens nothing here, and an ended token neither. (Other tests have shown this portal wrong tokens.)
    feed_access.access_path(pages.settings).unlink(missing_ok=True)
    assert pages.client("leader-a").get(SEALED).status_code == 401
    feed_access.revoke_token(settings, "school-a", "sis")
    answer = pull.get(SEALED)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_school_without_a_key_finds_its_results_only(pull: TestClient, settings: Settings) -> None:
    headers = {"Authorization": f"Bearer {feed_access.add_token(settings, 'school-c', 'sis')}"}
    answer = pull.get("/feeds/school-c/feed.zip.age", headers=headers)
    assert answer.status_code == 409 and "feeds key add" in answer.json()["error"]
    assert pull.get(f"{GRADEBOOK.replace('school-a', 'school-c')}/results", headers=headers).status_code == 200


def test_wrong_tokens_and_many_requests_are_slowed(
    pull: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_access, "WRONG_A_MINUTE", 3)
    monkeypatch.setattr(feed_access, "REQUESTS_A_MINUTE", 4)
    monkeypatch.setattr(feed_access.time, "time", lambda: 6_000.0)
    wrong = [pull.get(SEALED, headers={"Authorization": f"Bearer {number}"}) for number in range(5)]
    assert [answer.status_code for answer in wrong] == [401, 401, 401, 429, 429]
    right = [pull.get("/feeds/school-a/manifest.json") for _ in range(6)]
    assert [answer.status_code for answer in right] == [200] * 4 + [429] * 2 and right[5].headers["retry-after"] == "60"
    assert "Bearer" not in feed_access.access_path(settings).read_bytes().decode("latin-1")


def _all(client: TestClient, collection: str, limit: int) -> list[dict[str, Any]]:
    """Every record, page by page as the Link header says."""
    address, found = f"{GRADEBOOK}/{collection}?limit={limit}", []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200
        found += answer.json()[collection]
        address = answer.links["next"]["url"] if "next" in answer.links else ""
        assert int(answer.headers["x-total-count"]) >= len(found)
    return found


def test_results_are_served_as_the_gradebook_service_without_names(pull: TestClient, settings: Settings) -> None:
    results, items = _all(pull, "results", 50), _all(pull, "lineItems", 3)
    assert len(results) == len({one["sourcedId"] for one in results}) == 128 and len(items) == 8
    known = {one["sourcedId"] for one in items}
    assert {one["lineItem"]["sourcedId"] for one in results} == known
    assert {one["student"]["sourcedId"] for one in results} == {f"pupil-0-{number:03d}" for number in range(32)}
    scored = next(one for one in results if "score" in one)
    (objectives,) = scored["learningObjectiveSet"]
    assert objectives["learningObjectiveResults"][0]["score"] == scored["score"]
    assert _all(pull, "categories", 10)[0]["title"] == "Mastery by competency" and _all(pull, "scoreScales", 5) == []
    for bad in ("limit=0", "offset=x", "filter=score>'3'"):
        assert pull.get(f"{GRADEBOOK}/results?{bad}").status_code == 400
    since = {"filter": "dateLastModified>'2126-01-01T00:00:00Z'"}
    assert pull.get(f"{GRADEBOOK}/results", params=since).json() == {"results": []}
    shown = [row for row in list_disclosures(settings) if row["purpose"] == "results fetched by OneRoster"]
    assert len(shown) == 3 and ("school-a", "pull", "token sis", "gradebook/results", "fetched", "0-49") in _receipts(
        settings
    )


def test_the_leaders_page_shows_classes_key_and_who_fetched(pull: TestClient, settings: Settings) -> None:
    pull.get(SEALED)
    with TestClient(create_app(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
        from tests.portal.conftest import PASSWORD, submit

        submit(client, "/login", "/login", name="leader-a", password=PASSWORD)
        page = client.get("/schools/school-a/feed")
        part = client.get("/schools/school-a/feed/classes/school-a-class-1/standing.parquet")
    assert page.status_code == part.status_code == 200 and part.content[:4] == b"PAR1"
    assert "token sis: feed.zip.age, fetched" in page.text and "has no key yet" not in page.text
    assert page.text.count("<details>") == 2
    assert (feed_folders.sent_folder(settings, "school-a") / feed_folders.STANDING).exists()
    assert _receipts(settings)[-1][1:4] == ("portal", "account leader-a", "classes/school-a-class-1/standing.parquet")
