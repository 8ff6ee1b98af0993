"""The watch over intake on a simulated autumn: silence, surge and refusals, raised once, mailed once, cleared once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

import lake
from answers.accounts import add_account
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings
from cli.intake_watch import watch
from feeds.mail_sink import serve
from gates import intake_alarms
from gates.thresholds import thresholds
from gates.volume import VolumeRule, Volumes, silent_now, surges
from infra.ports import free_port
from spark_jobs.intake_hops import GATEWAY_TO_TOPIC, Break
from streaming.sources import SourceRegistry

# The example calendar: 25 to 27 November are holidays, 21 December to 1 January too. A holiday week follows.
SCHOOLS = ("sch-1", "sch-2", "sch-3")
HOURS = (9, 10, 13, 14)
FIRST, LAST = date(2026, 10, 5), date(2026, 12, 16)


class Autumn:
    """Receipts of two apps at three schools: about 60 statements a school and school day, in four requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.calendar = DistrictCalendar.load(settings)
        self.number = 0

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        return datetime.combine(day, time(hour, minute), tzinfo=self.calendar.zone).astimezone(UTC)

    def receipt(self, source: str, school: str, at: datetime, statements: int) -> dict[str, Any]:
        self.number += 1
        day = self.calendar.local_date(at)
        return {
            "receipt_id": f"r{self.number}",
            "org_id": school,
            "source_id": source,
            "endpoint": "/xapi/statements",
            "received_at": at,
            "received_date": day,
            "statements_received": statements,
            "kafka_partition": 0,
            "kafka_offset": self.number,
            "intake_app_id": "app",
            "batch_id": 0,
        }

    def days(self, first: date, last: date, without: frozenset[tuple[str, str]] = frozenset()) -> None:
        """What comes from first to last, without some sources at some schools."""
        rows = [
            self.receipt(source, school, self.at(day, hour, 5), 14 + (day.toordinal() + hour) % 4)
            for day in self.calendar.school_days(first, last)
            for source in ("tilewise", "quillboard")
            for school in SCHOOLS
            for hour in HOURS
            if (source, school) not in without
        ]
        self.send(rows)

    def send(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            lake.append(self.settings, "bronze.receipts", rows)

    def look(self, day: date, hour: int, minute: int = 0) -> dict[str, Any]:
        """One look; the broker, which is not there, is not what these tests are about."""
        found = watch(self.settings, self.at(day, hour, minute))
        kept = [one for one in found["alarms"] if one["kind"] not in ("broker", "books")]
        return {**found, "alarms": kept}


@pytest.fixture
def autumn(settings: Settings) -> Autumn:
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    return Autumn(settings)


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Path]:
    """A real mail server of this test's own; the folder in which it keeps what it is given."""
    port, folder = free_port(), settings.home / "mail"
    settings.stack_state_path.parent.mkdir(parents=True, exist_ok=True)
    settings.stack_state_path.write_text(json.dumps({"services": {"mail": {"address": f"127.0.0.1:{port}"}}}))
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def run() -> None:
        task = asyncio.create_task(serve(folder, port, stop))
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        ready.set()
        await task

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield folder
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def letters(folder: Path) -> list[str]:
    found = [message_from_bytes(path.read_bytes()) for path in sorted(folder.glob("*.eml"))] if folder.is_dir() else []
    return [str(one.get_payload(decode=True), "utf-8") for one in found]


def kinds(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["source_id"], one["school_id"]) for one in found["alarms"]]


def test_silence_at_one_school_is_told_once_and_holidays_are_none(autumn: Autumn, mailbox: Path) -> None:
    add_account(autumn.settings, "desk", "engineer", mail="desk@example.org")
    add_account(autumn.settings, "head", "school_leader", "sch-1", mail="head@example.org")
    autumn.days(FIRST, date(2026, 11, 20))
    # Friday evening, the weekend, Monday at dawn: nothing comes, and nothing is wrong.
    for day, hour in ((20, 20), (21, 12), (22, 12), (23, 7)):
        assert autumn.look(date(2026, 11, day), hour)["alarms"] == [], day
    # Monday: tilewise works at two schools and not at the third. Found as soon as enough is missing.
    quiet = frozenset({("tilewise", "sch-3")})
    autumn.days(date(2026, 11, 23), date(2026, 11, 24), without=quiet)
    assert kinds(autumn.look(date(2026, 11, 23), 9, 30)) == []
    first = autumn.look(date(2026, 11, 23), 11)
    assert kinds(first) == [("silent", "tilewise", "sch-3")]
    (alarm,) = first["alarms"]
    assert (alarm["since"], alarm["came"]) == ("2026-11-23", "none")
    assert alarm["expected"].endswith("statements by this time of day")
    raised_at = alarm["raised_at"]
    # It stands, as it was raised, through the holidays; nobody else is silent on them, and none is told twice.
    for day, hour in ((23, 12), (24, 15), (25, 12), (26, 12), (27, 15), (28, 9), (29, 9), (30, 7)):
        found = autumn.look(date(2026, 11, day), hour)
        assert [one["raised_at"] for one in found["alarms"]] == [raised_at], day
        assert kinds(found) == [("silent", "tilewise", "sch-3")], day
    # It works again: cleared by the first statement.
    autumn.send([autumn.receipt("tilewise", "sch-3", autumn.at(date(2026, 11, 30), 7, 30), 1)])
    autumn.days(date(2026, 11, 30), date(2026, 11, 30))
    assert autumn.look(date(2026, 11, 30), 8)["alarms"] == []
    about_tilewise = [text for text in letters(mailbox) if "tilewise" in text]
    assert len(about_tilewise) == 2
    assert "Raised: source tilewise at sch-3: silent since 2026-11-23; expected" in about_tilewise[0]
    assert "Over: source tilewise at sch-3" in about_tilewise[1]
    log = (autumn.settings.logs_dir / "alerts.log").read_text()
    assert (log.count("ALARM source tilewise"), log.count("CLEARED source tilewise")) == (1, 1)
    on_record = intake_alarms.since(autumn.settings, autumn.at(FIRST, 0))
    (kept,) = [one for one in on_record if one.kind == "silent"]
    assert kept.raised_at == raised_at and kept.cleared_at is not None


def test_a_source_silent_everywhere_is_one_alarm_and_a_revoked_one_is_none(autumn: Autumn) -> None:
    both = frozenset(("tilewise", school) for school in SCHOOLS)
    autumn.days(FIRST, date(2026, 12, 9))
    autumn.days(date(2026, 12, 10), LAST, without=both)
    # Quillboard never worked at a fourth school: nothing is expected of it there.
    autumn.send([autumn.receipt("quillboard", "sch-4", autumn.at(date(2026, 12, 9), 9), 40)])
    found = autumn.look(date(2026, 12, 15), 8)
    assert kinds(found) == [("silent", "tilewise", "")]
    assert found["alarms"][0]["since"] == "2026-12-10"
    assert found["silent_sources"] == {"tilewise": "2026-12-09"}
    registry = SourceRegistry(autumn.settings)
    registry.add("tilewise")
    registry.revoke("tilewise")
    registry.close()
    found = autumn.look(date(2026, 12, 15), 9)
    assert (found["silent_sources"], found["alarms"]) == ({}, [])


def test_a_surge_of_duplicates_is_told_on_its_day(autumn: Autumn) -> None:
    autumn.days(FIRST, LAST)
    loop = [autumn.receipt("quillboard", "sch-2", autumn.at(LAST, 11, n), 20) for n in range(40)]
    autumn.send(loop)
    found = autumn.look(LAST, 15)
    assert kinds(found) == [("surge", "quillboard", "sch-2")]
    (alarm,) = found["alarms"]
    assert (alarm["since"], alarm["came"]) == ("2026-12-16", "862 so far")
    assert "cairn source revoke" in alarm["command"]
    assert autumn.look(date(2026, 12, 17), 7)["alarms"] == []


def test_refusals_are_told_where_they_are_and_no_small_count_is(autumn: Autumn) -> None:
    day = date(2026, 11, 9)
    well = [autumn.receipt("tilewise", school, autumn.at(day, 9), 300) for school in ("sch-1", "sch-2")]
    bad = autumn.receipt("tilewise", "sch-3", autumn.at(day, 9), 25)
    # Refused whole, since it does not say of which school it is.
    nowhere = autumn.receipt("tilewise", "unknown", autumn.at(day, 9), 25)
    autumn.send([*well, bad, nowhere])
    refusals = [
        {
            **{name: of[name] for name in ("org_id", "source_id", "received_at", "received_date")},
            "rejected_id": f"{of['org_id']}-{n}",
        }
        | {"receipt_id": "r", "statement_index": n, "reason": "iri_invalid", "payload_sha256": "0"}
        | {"kafka_partition": 0, "kafka_offset": n, "intake_app_id": "app", "batch_id": 0}
        for of, count in ((bad, 6), (nowhere, 25))
        for n in range(count)
    ]
    lake.append(autumn.settings, "bronze.rejected", refusals)
    batch = {"intake_app_id": "app", "batch_id": 0, "end_offsets": "{}", "records": 31}
    at = autumn.at(day, 10)
    lake.append(autumn.settings, "ops.intake_batch", [batch | {"written_at": at, "written_date": at.date()}])
    found = autumn.look(day, 12)
    assert kinds(found) == [("refused", "tilewise", "sch-3")]
    assert found["alarms"][0]["came"] == "24% refused or set aside"
    assert found["rejection_rates"] == {"tilewise": 31 / 650}
    assert [intake_alarms.told(count, 10) for count in (0, 1, 9, 10, 1234)] == [
        "none",
        "fewer than 10",
        "fewer than 10",
        "10",
        "1,234",
    ]


def test_books_are_not_called_well_while_the_topics_cannot_be_looked_at(
    autumn: Autumn, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Break(GATEWAY_TO_TOPIC, LAST, "tilewise", "sch-1", 30, "partition 0 lost offsets 0 to 29")
    answers: list[tuple[list[Break], str]] = [([lost], ""), ([], "no broker answers"), ([], "")]
    stands = []
    for hour, answer in enumerate(answers, 9):
        monkeypatch.setattr("cli.intake_watch.breaks", lambda *_, answer=answer: answer)
        stands.append([one["kind"] for one in watch(autumn.settings, autumn.at(LAST, hour))["alarms"]].count("books"))
    assert stands == [1, 1, 0]


def test_what_is_expected_is_the_median_of_the_same_weekday(settings: Settings) -> None:
    rule = VolumeRule.of(thresholds(settings, "bronze_to_silver")["volume"])
    calendar = DistrictCalendar.load(settings)
    friday = date(2026, 12, 4)
    history = rule.history(calendar, friday)
    assert {day.isoweekday() for day in history} == {5}
    assert date(2026, 11, 27) not in history, "a holiday is no history"
    assert rule.history(calendar, date(2026, 11, 27)) == rule.history(calendar, date(2026, 12, 5)) == []
    early = rule.history(calendar, date(2026, 8, 25))
    assert early == calendar.school_days(date(2026, 8, 17), date(2026, 8, 24)), "too few Tuesdays yet: all days"
    pair = ("app", "sch-1")
    # One burst among seven days moves neither median nor limit: 60 + 6 x 1.4826 x 1 is below three times the median.
    days = dict(zip(history, (59, 60, 61, 60, 59, 61, 900), strict=True))
    for came, is_surge in ((180, False), (181, True)):
        counts = {pair: {**days, friday: came}}
        assert (pair in surges(Volumes(counts, counts), history, friday, rule)) is is_surge
    assert silent_now(Volumes({pair: days}, {pair: days}), history, friday, rule)[pair].expected == 60
    assert silent_now(Volumes({pair: days}, {pair: {**days, history[0]: 19}}), history, friday, rule) == {}


def test_a_mail_that_was_not_taken_is_tried_again(autumn: Autumn, request: pytest.FixtureRequest) -> None:
    add_account(autumn.settings, "desk", "engineer", mail="desk@example.org")
    assert autumn.look(LAST - timedelta(days=1), 9)["mailed"] is False
    folder: Path = request.getfixturevalue("mailbox")
    again = autumn.look(LAST - timedelta(days=1), 10)
    assert (again["mailed"], again["raised"]) == (True, 0)
    assert autumn.look(LAST - timedelta(days=1), 11)["mailed"] is True
    (letter,) = letters(folder)
    assert "the broker does not answer" in letter
