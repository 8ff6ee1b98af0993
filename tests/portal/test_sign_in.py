"""Signing in under attack: limits that no header and no haste goes round, and an owner who still gets in."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from answers import accounts
from answers.accounts import add_account
from cairn.settings import Settings
from portal import sign_in
from portal.sign_in import Backoff, Throttled, remember_device
from tests.portal.serving import Browser, served

PASSWORD = "a long password"
WRONG = "a wrong password"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Settings, Path]]:
    """A portal in its own process: its address, its home, its log. Every test has an account of its own."""
    settings = Settings(home=tmp_path_factory.mktemp("attacked"))
    for name in ("rotating", "parallel", "known", "logged"):
        add_account(settings, name, "engineer", password=PASSWORD)
    log = settings.home / "portal.log"
    with served(settings, log) as base:
        yield base, settings, log


def test_a_header_from_anybody_is_no_new_address(attacked: tuple[str, Settings, Path]) -> None:
    browser = Browser(attacked[0])
    answers = [browser.sign_in("rotating", WRONG, f"203.0.113.{number}") for number in range(10, 20)]
    assert answers == [401] * 5 + [429] * 5


def test_tries_sent_at_once_are_counted_before_they_are_looked_at(attacked: tuple[str, Settings, Path]) -> None:
    browsers = [Browser(attacked[0]) for _ in range(12)]
    tokens = [browser.token() for browser in browsers]
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda pair: pair[0].sign_in("parallel", WRONG, token=pair[1]), zip(browsers, tokens, strict=True))
        )
    assert answers.count(401) == 5 and answers.count(429) == 7


def test_the_owner_gets_in_during_an_attack_from_a_browser_that_is_known(
    attacked: tuple[str, Settings, Path],
) -> None:
    own, attacker = Browser(attacked[0]), Browser(attacked[0])
    assert own.sign_in("known", PASSWORD) == 303
    assert [attacker.sign_in("known", WRONG) for _ in range(6)] == [401] * 5 + [429]
    assert own.client.post("/logout", data={"csrf": own.token("/logout")}).status_code == 303
    assert Browser(attacked[0]).sign_in("known", PASSWORD) == 429
    assert own.sign_in("known", PASSWORD) == 303


def test_sign_ins_are_in_the_log_without_names_and_passwords(attacked: tuple[str, Settings, Path]) -> None:
    base, settings, log = attacked
    browser = Browser(base)
    assert browser.sign_in("logged", WRONG) == 401
    assert browser.sign_in("logged", PASSWORD) == 303
    lines = [json.loads(line.split("access ", 1)[1]) for line in log.read_text().splitlines() if "access " in line]
    (account,) = [one for one in accounts.list_accounts(settings) if one.name == "logged"]
    tried = f"name {sign_in.name_hash(settings, 'logged')}"
    assert [line["what"] for line in lines if line["who"] == tried] == ["sign-in failed"]
    assert [line["what"] for line in lines if line["who"] == f"account {account.account_id}"] == ["signed in"]
    assert WRONG not in log.read_text() and PASSWORD not in log.read_text() and '"logged"' not in log.read_text()


def test_a_proxy_that_is_trusted_tells_the_address(tmp_path: Path, settings: Settings) -> None:
    add_account(settings, "rivera", "engineer", password=PASSWORD)
    log = tmp_path / "portal.log"
    with served(settings, log, CAIRN_TRUSTED_PROXIES='["127.0.0.1"]') as base:
        # What the client wrote itself stands before what the proxy appended, and is not believed.
        assert Browser(base).sign_in("rivera", WRONG, "192.0.2.9, 198.51.100.7") == 401
    assert '"client": "198.51.100.7"' in log.read_text()


def test_a_school_behind_one_address_goes_on_signing_in(settings: Settings) -> None:
    add_account(settings, "rivera", "school_leader", "school-a", PASSWORD)
    for number in range(20):
        assert sign_in.sign_in(settings, f"pupil{number // 2}", WRONG, "192.0.2.1") is None
    assert sign_in.sign_in(settings, "rivera", PASSWORD, "192.0.2.1") is not None


def test_many_names_from_one_address_have_to_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "BY_CLIENT", Backoff(free=6, first=60.0, most=60.0))
    for number in range(6):
        assert sign_in.sign_in(settings, f"name{number}", WRONG, "192.0.2.1") is None
    with pytest.raises(Throttled) as refused:
        sign_in.sign_in(settings, "one more", WRONG, "192.0.2.1")
    assert 0 < refused.value.seconds <= 60
    assert sign_in.sign_in(settings, "one more", WRONG, "192.0.2.2") is None


def test_an_address_waits_seconds_where_a_name_waits_minutes() -> None:
    assert [sign_in.BY_CLIENT.wait(failures, 0.0, 0.0) for failures in (49, 50, 51, 60, 10_000)] == [0, 1, 2, 15, 15]
    assert [sign_in.BY_NAME.wait(failures, 0.0, 0.0) for failures in (4, 5, 6, 8, 10_000)] == [0, 30, 60, 240, 300]
    assert sign_in.BY_NAME.wait(5, 0.0, 31.0) <= 0 and sign_in.BY_NAME.wait(0, None, 0.0) == 0


def test_a_name_waits_longer_each_time_and_is_never_locked(settings: Settings) -> None:
    add_account(settings, "rivera", "engineer", password=PASSWORD)
    waits = []
    for _ in range(sign_in.BY_NAME.free + 3):
        try:
            assert sign_in.sign_in(settings, "rivera", WRONG, "192.0.2.1") is None
        except Throttled as refused:
            waits.append(refused.seconds)
            _let_pass(settings, refused.seconds)
            assert sign_in.sign_in(settings, "rivera", WRONG, "192.0.2.1") is None
    # A busy machine takes its time between a failure and the next try.
    assert all(most - 15 < wait <= most for wait, most in zip(waits, (30, 60, 120), strict=True))
    _let_pass(settings, sign_in.BY_NAME.most)
    assert sign_in.sign_in(settings, "rivera", PASSWORD, "192.0.2.1") is not None


def _let_pass(settings: Settings, seconds: float) -> None:
    """As if the seconds had passed: every try is that much older."""
    with accounts.writing(settings) as database:
        database.execute("update attempt set tried_at = tried_at - ?", (seconds,))


def test_a_known_browser_is_known_for_its_account_only_and_has_a_limit_too(settings: Settings) -> None:
    add_account(settings, "rivera", "engineer", password=PASSWORD)
    add_account(settings, "okafor", "engineer", password=PASSWORD)
    account = sign_in.sign_in(settings, "rivera", PASSWORD, "192.0.2.1")
    assert account is not None
    device = remember_device(settings, account, None)
    assert remember_device(settings, account, device) == device
    for _ in range(sign_in.BY_NAME.free):
        assert sign_in.sign_in(settings, "okafor", WRONG, "192.0.2.2") is None
        assert sign_in.sign_in(settings, "rivera", WRONG, "192.0.2.1", device) is None
    with pytest.raises(Throttled):
        sign_in.sign_in(settings, "okafor", PASSWORD, "192.0.2.1", device)
    with pytest.raises(Throttled):
        sign_in.sign_in(settings, "rivera", PASSWORD, "192.0.2.1", device)


def test_the_session_key_is_made_once_for_its_owner(settings: Settings) -> None:
    first = sign_in.session_secret(settings)
    assert first == sign_in.session_secret(settings) and len(first) == 64
    assert stat.S_IMODE((settings.keys_dir / "portal_session.key").stat().st_mode) == 0o600
