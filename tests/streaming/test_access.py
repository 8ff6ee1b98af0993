"""Who gets in, with a real gateway: tokens that are fresh, change over and end; guesses; who asks for subject keys."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from typer.testing import CliRunner

from cairn.settings import settings as process_settings
from cli import source
from streaming.sources import registry_path, sender_token_path
from tests.streaming.gateway_process import RunningGateway
from tests.streaming.xapi_bodies import answered

pytestmark = pytest.mark.broker

ADDRESS = "/xapi/statements"
# The gateway looks once a second whether a token was ended.
ENDS_WITHIN_SECONDS = 1.5


@pytest.fixture
def run(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``run("list")``: a ``cairn source`` command in the gateway's home; what it says with --json."""
    monkeypatch.setenv("CAIRN_HOME", str(gateway.settings.home))
    process_settings.cache_clear()

    def command(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(source.app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    yield command
    process_settings.cache_clear()


def send(gateway: RunningGateway, token: str) -> int:
    """Status of one statement sent with the token."""
    return gateway.call("POST", ADDRESS, token, json=answered()).status_code


def seconds_until_refused(gateway: RunningGateway, token: str) -> float:
    began = time.monotonic()
    while send(gateway, token) != 401:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    return time.monotonic() - began


def test_a_fresh_token_works_at_once_and_a_revoked_one_ends_within_a_second(gateway: RunningGateway, run: Any) -> None:
    for number in range(10):
        fresh = run("add", f"fresh-{number}", "--mode", "partial")["token"]
        assert send(gateway, fresh) == 200
    run("revoke", "fresh-9")
    assert seconds_until_refused(gateway, fresh) < ENDS_WITHIN_SECONDS
    again = run("add", "fresh-9", "--mode", "partial")["token"]
    assert (send(gateway, again), send(gateway, fresh)) == (200, 401)


def test_a_token_is_changed_without_a_request_lost(gateway: RunningGateway, run: Any) -> None:
    old = run("add", "tilewise", "--mode", "partial", "--save-token")["token"]
    kept = sender_token_path(gateway.settings, "tilewise")
    assert send(gateway, kept.read_text().strip()) == 200
    changed = run("rotate", "tilewise", "--overlap-hours", str(2 / 3600))
    new = changed["token"]
    assert kept.read_text().strip() == new
    assert (send(gateway, new), send(gateway, old)) == (200, 200)
    # The sender's own file was changed over: whoever reads it before each request is never refused.
    assert seconds_until_refused(gateway, old) < 2 + ENDS_WITHIN_SECONDS
    assert send(gateway, kept.read_text().strip()) == 200
    (row,) = [each for each in run("list")["sources"] if each["source_id"] == "tilewise"]
    assert [token["ends_at"] is None for token in row["tokens"]] == [False, True]
    # One that leaked ends now, and what is overlapping with it ends no later than it was to.
    leaked = run("rotate", "tilewise", "--overlap-hours", "0")["token"]
    assert seconds_until_refused(gateway, new) < ENDS_WITHIN_SECONDS
    assert send(gateway, leaked) == 200
    run("revoke", "tilewise")
    refused = CliRunner().invoke(source.app, ["rotate", "tilewise"])
    assert "cairn source add tilewise" in str(refused.exception)


def test_no_token_is_stored(gateway: RunningGateway, run: Any) -> None:
    tokens = [run("add", "stored")["token"], run("rotate", "stored")["token"]]
    files = [path for path in gateway.settings.home.rglob("*") if path.is_file() and path.parent.name != "senders"]
    assert registry_path(gateway.settings) in files
    assert [path.name for path in files for token in tokens if token.encode() in path.read_bytes()] == []


def test_wrong_tokens_are_slowed_down_and_nobody_is_locked_out(gateway: RunningGateway, run: Any) -> None:
    right = run("add", "honest", "--mode", "partial")["token"]
    answers = [gateway.call("POST", ADDRESS, f"guess-{number}", json=[]) for number in range(40)]
    statuses = {answer.status_code for answer in answers}
    assert statuses == {401, 429}
    assert answers[0].status_code == 401, "the first wrong token is told that it is wrong"
    slowed = next(answer for answer in answers if answer.status_code == 429)
    assert int(slowed.headers["retry-after"]) >= 1
    assert send(gateway, right) == 200, "from the same address, at the same time"
    assert gateway.call("POST", ADDRESS, json=[]).status_code == 401, "who shows none is asked for one"


def test_who_asks_for_subject_keys_is_limited_and_written_down(gateway: RunningGateway, run: Any) -> None:
    asking = run("add", "quillboard", "--subjects", "--subject-rate", "20")["token"]
    without = run("add", "curious")["token"]
    person = {"kind": "mbox", "value": "adelheid.quill@example.org"}
    many = gateway.call("POST", "/subjects", asking, json=[person] * 300)
    assert len(many.json()["subject_keys"]) == 300
    late = gateway.call("POST", "/subjects", asking, json=[person])
    assert (late.status_code, late.json()["error"]) == (429, "too_fast")
    assert int(late.headers["retry-after"]) >= 5
    assert gateway.call("POST", "/subjects", without, json=[person] * 3).status_code == 403
    rows = [{**row, "asked_at": ""} for row in run("asked")["requests"]]
    assert rows == [
        {"asked_at": "", "source_id": "quillboard", "identifiers": 300, "given": 300},
        {"asked_at": "", "source_id": "curious", "identifiers": 3, "given": 0},
    ]
    assert len(run("asked", "--source", "curious")["requests"]) == 1
    with closing(sqlite3.connect(registry_path(gateway.settings))) as database:
        assert "quill@" not in "\n".join(database.iterdump())
