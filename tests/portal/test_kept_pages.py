"""A page that is kept for all its readers is drawn anew for whatever it tells of, and shows each reader as herself."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from markupsafe import Markup
from starlette.testclient import TestClient

from answers.accounts import add_account
from answers.school_trust import release_age
from cairn.protection.published import Publication
from cairn.settings import Settings
from portal import kept_pages, pages_overview, pages_pilots, web
from portal.app import create_app
from portal.kept_pages import KeptPages
from releases import publications, store
from tests.portal.conftest import PASSWORD, Pages, submit
from tests.portal.fixture_published import add_marts
from tests.portal.fixture_release import publish_fixture

KEPT_ADDRESSES = ("/", "/pilots", "/rollout")


def signed_in(settings: Settings, name: str) -> TestClient:
    client = TestClient(create_app(settings), base_url="http://portal.example", follow_redirects=False)
    assert submit(client, "/login", "/login", name=name, password=PASSWORD).status_code == 303
    return client


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[int]:
    """Nothing is kept yet; the list grows by one with each call of what a page is drawn of."""
    calls, whole = [], getattr(module, name)

    def counting(*given: Any) -> Any:
        calls.append(1)
        return whole(*given)

    monkeypatch.setattr(kept_pages, "KEPT", KeptPages())
    monkeypatch.setattr(module, name, counting)
    return calls


def test_another_publication_or_key_is_another_page(pages: Pages) -> None:
    kept = KeptPages(most=2)
    first = publications.read_publication(pages.settings)
    second = publications.read_publication(pages.settings)
    assert first is not None and second is not None and first is not second, "read twice, made once"
    drawn: Iterator[Markup] = (Markup(number) for number in range(9))

    def get(key: str, publication: Publication | None) -> str:
        return str(kept.get((key,), publication, lambda: next(drawn)))

    assert [get("a", first), get("a", first), get("a", second), get("a", first)] == ["0", "0", "1", "0"]
    assert [get("b", None), get("b", None), get("a", second)] == ["2", "2", "3"], "the one asked longest ago went"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A release whose numbers nothing but a test publishes, and an account."""
    settings = Settings(home=tmp_path_factory.mktemp("kept"), portal_hosts=["portal.example"])
    publish_fixture(settings)
    add_marts(current(settings).path)
    add_account(settings, "central", "central_office", None, PASSWORD)
    return settings


def current(settings: Settings) -> store.Release:
    release = store.current(settings, "learning")
    assert release is not None
    return release


def test_what_is_published_while_the_portal_runs_is_on_the_next_page(home: Settings) -> None:
    with signed_in(home, "central") as client:
        before = [[client.get(address).text for address in KEPT_ADDRESSES] for _ in range(2)]
        assert before[0] == before[1] and all("Published numbers: not yet" in page for page in before[0])
        for kind in store.KINDS:
            publications.make(home, kind)
        for address, old in zip(KEPT_ADDRESSES, before[0], strict=True):
            new = client.get(address).text
            assert "As published on" in new and "not yet.</strong>" not in new, address
            assert client.get(address).text == new != old


def test_it_is_drawn_once_and_anew_for_whatever_it_reads(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = counted(monkeypatch, pages_overview, "portfolio")
    with signed_in(home, "central") as client:

        def draws(status: int = 200, **headers: str) -> int:
            before = len(drawn)
            for _ in range(3):
                assert client.get("/", headers=headers).status_code == status
            return len(drawn) - before

        assert draws() == 1 and draws() == 0
        assert draws(**{"accept-language": "es"}) == 1 and draws() == 0

        home.district_dir.mkdir(parents=True, exist_ok=True)
        words = home.district_dir / "teacher_words.yaml"
        words.write_text("override_reasons: {seen: seen}\naction_kinds: {small_group: A group of few}\n")
        assert draws() == 1
        words.unlink()
        rules = home.district_dir / "privacy.yaml"
        rules.write_text("n_min: 15\n")
        assert draws() == 1
        rules.write_text("n_min: many\n")
        assert draws(503) == 0
        rules.unlink()
        assert draws() == 0, "as it was first"

        real = web.current_age
        monkeypatch.setattr(web, "current_age", lambda _, data_date: release_age(data_date, data_date))
        assert draws() == 1
        monkeypatch.setattr(web, "current_age", real)
        erased: store.Erased = {"erasure_id": "e-1", "erased_at": "2026-10-15T08:00:00+00:00"}
        store.save(replace(current(home), erased=[erased]))
        assert draws() == 1 and draws() == 0


def test_two_who_ask_at_once_wait_for_one_drawing() -> None:
    kept, has_begun, goes_on, drawn = KeptPages(), threading.Event(), threading.Event(), []

    def draw() -> Markup:
        drawn.append(1)
        has_begun.set()
        assert goes_on.wait(20)
        return Markup("drawn")

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.get, ("a",), None, draw) for _ in range(4)]
        assert has_begun.wait(20)
        goes_on.set()
        assert {str(one.result(20)) for one in asked} == {"drawn"} and len(drawn) == 1


def test_central_office_and_engineer_read_the_same_drawing(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = counted(monkeypatch, pages_pilots, "load_scorecards")
    central, engineer = (pages.client(name).get("/pilots").text for name in ("central", "engineer"))
    assert len(drawn) == 1
    main = re.compile(r'<main id="main" tabindex="-1">(.*)</main>', re.S)
    found = [main.search(page) for page in (central, engineer)]
    assert found[0] and found[1] and found[0][1] == found[1][1]
    assert ", central</span>" in central and ", engineer</span>" in engineer


@pytest.mark.parametrize("address", KEPT_ADDRESSES)
def test_language_and_day_are_those_that_are_asked(pages: Pages, address: str) -> None:
    client = pages.client("central")
    english, spanish = (client.get(address, headers={"accept-language": code}).text for code in ("en", "es"))
    assert 'lang="en"' in english and 'lang="es"' in spanish
    heads = [re.findall(r"<h1>(.*?)</h1>", page) for page in (english, spanish)]
    assert heads[0] != heads[1] and client.get(address, headers={"accept-language": "en"}).text == english
    assert "Nothing had been published by" in client.get(f"{address}?as-of=2020-01-01").text
    assert client.get(address).text == english, "a day gone by is nobody else's page"


@pytest.mark.parametrize("address", KEPT_ADDRESSES)
def test_each_reader_has_her_own_name_and_form(pages: Pages, address: str) -> None:
    add_account(pages.settings, "second", "central_office", None, PASSWORD, replace=True)
    found = {}
    with signed_in(pages.settings, "second") as second:
        for name, client in (("central", pages.client("central")), ("second", second)):
            page = client.get(address).text
            found[name] = re.findall(r'name="csrf" value="([^"]+)"', page)
            other = {"central": "second", "second": "central"}[name]
            assert f", {name}</span>" in page and f", {other}</span>" not in page
    assert found["central"] and found["second"] and not set(found["central"]) & set(found["second"])


def test_the_schools_are_in_the_order_that_is_asked(pages: Pages) -> None:
    client = pages.client("central")
    by_name, by_size = (client.get(f"/?sort={key}").text for key in ("name", "size"))
    assert '<strong aria-current="true">name</strong>' in by_name
    assert '<strong aria-current="true">pupils</strong>' in by_size
