"""The parts of the way in that need no broker: senders, limits, seals, bodies, batches, replayed tables."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import sqlite3
import stat
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from cairn import sqlite_file
from cairn.errors import CairnError
from cairn.evidence.meaning import HISTORY
from cairn.settings import Settings
from streaming import client, http
from streaming.gateway import Gateway
from streaming.limits import OwnRates, Rates, RecentEvents, SharedRates, WrongTokens
from streaming.live import Day
from streaming.process import Processor
from streaming.replay_responses import prepare, split_skills
from streaming.seals import SealStore
from streaming.sources import TABLE, Mode, Source, SourceRegistry, sender_token_path, token_hash
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED

CALIPER_CONTEXT = "http://purl.imsglobal.org/ctx/caliper/v1p2"
ANSWERED: dict[str, Any] = {
    "actor": {"name": "Adelheid Quill", "mbox": "mailto:adelheid.quill@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
    "object": {"id": "https://items.example/1"},
    "result": {"success": True},
}


def of_topic(outcome: Any, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(message.value) for message in outcome.messages if message.topic == topic]


def test_a_token_is_shown_once_and_ends_when_revoked(settings: Settings) -> None:
    registry = SourceRegistry(settings)
    source, token = registry.add("tilewise", ["sch-01"], rate=5, save_token=True)
    assert registry.by_token(token) == source
    assert registry.by_token(token + "x") is None
    assert token.encode() not in registry.path.read_bytes()
    kept = sender_token_path(settings, "tilewise")
    assert kept.read_text().strip() == token
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with pytest.raises(CairnError, match="revoke tilewise"):
        registry.add("tilewise")
    registry.revoke("tilewise")
    assert registry.by_token(token) is None
    _, other = registry.add("tilewise")
    assert other != token
    for wrong in ("", "Tile Wise", "a/b"):
        with pytest.raises(CairnError, match="no source name"):
            registry.add(wrong)


def test_a_sender_of_before_stays_partial_and_keeps_its_token(settings: Settings) -> None:
    path = settings.home / "sources.sqlite"
    path.parent.mkdir(parents=True)
    sqlite_file.prepare(path, TABLE)
    with closing(sqlite3.connect(path)) as database, database:
        insert = "INSERT INTO source VALUES (?, '[]', 0, 0, ?, '2026-10-01T00:00:00Z', ?)"
        database.execute(insert, ("old", token_hash("its token"), None))
        database.execute(insert, ("gone", token_hash("ended"), "2026-10-02T00:00:00Z"))
    registry = SourceRegistry(settings)
    registry.add("new")
    registry.add("loose", mode=Mode.PARTIAL)
    modes = {source.source_id: source.mode for source in registry.all()}
    assert modes == {"old": Mode.PARTIAL, "gone": Mode.PARTIAL, "new": Mode.STRICT, "loose": Mode.PARTIAL}
    known = registry.by_token("its token")
    assert known is not None
    assert known.source_id == "old"
    assert registry.by_token("ended") is None


def test_a_file_of_senders_of_a_newer_version_ends_no_gateway_that_runs(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(settings)
    _, token = gateway.sources.add("tilewise")
    assert gateway.sources.by_token(token) is not None
    with closing(sqlite3.connect(gateway.sources.path)) as database:
        database.execute("PRAGMA user_version = 99")
    # At its end too, before what waits is committed.
    asyncio.run(gateway._write_uses())
    assert "cannot be written down: CairnError" in caplog.text
    gateway.sources.close()


def test_another_process_sees_a_new_sender(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, command = SourceRegistry(settings), SourceRegistry(settings)
    assert gateway.by_token("nothing") is None
    _, token = command.add("tilewise")
    assert gateway.by_token(token) is not None, "a fresh token is good at once"
    monkeypatch.setattr(SourceRegistry, "LOOK_EVERY_SECONDS", 0.0)
    command.revoke("tilewise")
    assert gateway.by_token(token) is None


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_rate_lets_a_burst_through_and_then_waits(tmp_path: Path, is_shared: bool) -> None:
    rates: Rates = SharedRates(tmp_path / "rates") if is_shared else OwnRates()
    # Another process of the gateway has the file too.
    other = SharedRates(tmp_path / "rates") if is_shared else rates
    assert rates.wait_seconds("tilewise", 10) == 0
    other.take("tilewise", 10, 100)
    assert 5 < rates.wait_seconds("tilewise", 10) < 6
    assert rates.wait_seconds("quillboard", 10) == 0


def test_wrong_tokens_are_counted_by_address_within_bounds() -> None:
    wrong = WrongTokens(rate=0.001, limit=2)
    assert [wrong.wait_seconds("192.0.2.1") > 0 for _ in range(3)] == [False, True, True]
    assert wrong.wait_seconds("192.0.2.2") == 0
    # One customer has a whole /64 of IPv6 to guess from.
    assert [wrong.wait_seconds(f"2001:db8::{number:x}") > 0 for number in range(3)] == [False, True, True]
    assert wrong.wait_seconds("2001:db8:0:1::1") == 0
    assert wrong.wait_seconds("192.0.2.1") == 0, "only the last addresses are remembered"


def test_repeats_are_told_from_conflicts_within_bounds() -> None:
    recent = RecentEvents(limit=2)
    ids = [f"{number:08d}-0000-5000-8000-000000000000" for number in range(3)]
    assert recent.add([(ids[0], "ab" * 32), (ids[0], "ab" * 32), (ids[0], "cd" * 32)]) == (1, 1)
    recent.add([(ids[1], "ab" * 32), (ids[2], "ab" * 32)])
    assert recent.add([(ids[0], "ab" * 32)]) == (0, 0)


def test_seals_open_again_and_show_nothing(settings: Settings) -> None:
    store = SealStore(settings)
    references = store.append([("xapi", b"Adelheid Quill"), ("element", b"{}")])
    assert [SealStore(settings).read(each) for each in references] == [("xapi", b"Adelheid Quill"), ("element", b"{}")]
    assert all(b"Adelheid" not in path.read_bytes() for path in settings.sealed_dir.iterdir())
    for wrong in ("nothing.seal:0", "../keys/subject.v1.key:0", f"{references[0]}9999"):
        with pytest.raises(CairnError):
            store.read(wrong)


def test_a_torn_seal_hides_no_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SealStore(settings)
    store.append([("xapi", b"first")])
    (path,) = settings.sealed_dir.iterdir()
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _file: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            store.append([("xapi", b"lost")])
    assert path.read_bytes() == whole
    # As a process that was killed leaves it, with another one's behind it.
    torn = whole[:-5]
    for length in (len(whole), 1 << 20):
        path.write_bytes(whole + length.to_bytes(4, "big") + torn[4:] + whole)
        caplog.clear()
        assert [original for *_, original in store.originals()] == [b"xapi\nfirst"] * 2
        assert path.name in caplog.text
    assert store.erase(lambda text: b"first" in text) == 2
    assert list(store.originals()) == []
    SealStore(settings).append([("xapi", b"second")])
    assert len(list(settings.sealed_dir.iterdir())) == 2, "no two writers share a file"


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(http.BodyError) as refused:
        http.unpack(gzip.compress(b" " * (100 << 20)))
    assert (refused.value.status, refused.value.reason) == (413, "body_too_large")
    with pytest.raises(http.BodyError, match="body_unreadable"):
        http.unpack(b"no gzip")
    with pytest.raises(http.BodyError, match="body_unreadable"):
        http.unpack(gzip.compress(b"[1,2,3]")[:-9])
    assert http.unpack(gzip.compress(b"[1]" * 50_000)) == b"[1]" * 50_000
    assert zlib.crc32(http.unpack(gzip.compress(b""))) == 0


def test_the_books_of_a_request_balance_and_hold_nobody(settings: Settings) -> None:
    processor = Processor(settings)
    source = Source("tilewise", frozenset({"sch-01", "sch-02"}))
    claimed = {"context": {"extensions": {"https://cairn.example/xapi/extensions/school": "sch-01"}}}
    elsewhere = {"context": {"extensions": {"https://cairn.example/xapi/extensions/school": "sch-09"}}}
    body = [ANSWERED, {**ANSWERED, **claimed}, {**ANSWERED, **elsewhere}, {"actor": ANSWERED["actor"]}, 5]
    outcome = processor.xapi(orjson.dumps(body), source, "/xapi/statements")
    (receipt,) = of_topic(outcome, RECEIPTS)
    assert receipt["statements"] == {"unknown": 3, "sch-01": 1, "sch-09": 1}
    assert len(of_topic(outcome, ACTIVITY)) == len(outcome.accepted_ids) == 2
    refused = of_topic(outcome, REJECTED)
    assert [each["reason"] for each in refused] == ["school_out_of_scope", "field_missing", "not_a_statement"]
    assert {each["receipt_id"] for each in refused} == {receipt["receipt_id"]}
    everything = b"".join(message.value + (message.key or b"") for message in outcome.messages)
    for word in (b"Adelheid", b"Quill", b"quill", b"example.org"):
        assert word not in everything
    kind, original = SealStore(settings).read(refused[0]["seal_ref"])
    assert (kind, orjson.loads(original)) == ("xapi", body[2])
    again = processor.again(kind, original, Source("tilewise"), "replay", refused[0])
    assert len(again.accepted_ids) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"actor":\n{"name"', "malformed_json"),
        (b"", "malformed_json"),
        (b"[" + b"1," * 5_000 + b"1]", "too_many_statements"),
    ],
)
def test_a_body_that_cannot_be_taken_counts_once(settings: Settings, body: bytes, reason: str) -> None:
    outcome = Processor(settings).xapi(body, Source("tilewise", frozenset({"sch-01"})), "/xapi/statements")
    assert [each.reason for each in outcome.rejections] == [reason]
    assert [each["statements"] for each in of_topic(outcome, RECEIPTS)] == [{"sch-01": 1}]
    if body.startswith(b"[{"):
        assert "line 2" in outcome.rejections[0].detail


def test_an_envelope_that_is_none_is_refused_whole(settings: Settings) -> None:
    processor, source = Processor(settings), Source("quillboard")
    for envelope in ([], {"sensor": "s"}, {"sensor": "s", "sendTime": "x", "dataVersion": "v", "data": []}):
        outcome = processor.caliper(orjson.dumps(envelope), source, "/caliper")
        assert outcome.statements == len(outcome.rejections) == 1
    empty = {"sensor": "s", "sendTime": "2026-10-14T00:00:00.000Z", "dataVersion": CALIPER_CONTEXT, "data": []}
    assert processor.caliper(orjson.dumps(empty), source, "/caliper").messages == []


def test_files_become_requests_and_broken_lines_are_named(tmp_path: Path) -> None:
    envelope = {"sensor": "s", "sendTime": "t1", "dataVersion": "v", "data": [{"id": 1}]}
    lines = [orjson.dumps(ANSWERED), orjson.dumps(envelope), orjson.dumps({**envelope, "sendTime": "t2"})]
    path = tmp_path / "mixed.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([lines[0], b'{"actor":', b"", *lines[1:], lines[0]])))
    problems: list[str] = []
    batches = list(client.file_batches(path, problems.append))
    assert [(batch.endpoint, batch.statements) for batch in batches] == [
        ("/xapi/statements", 1),
        ("/xapi/statements", 1),
        ("/caliper", 2),
        ("/xapi/statements", 1),
    ]
    assert batches[1].body == b'{"actor":'
    assert orjson.loads(batches[2].body)["sendTime"] == "t2"
    assert problems == [f"{path}:2: not JSON: sent as it is, to be counted as refused"]
    (tmp_path / "array.json").write_bytes(orjson.dumps([ANSWERED] * 3))
    assert [batch.statements for batch in client.file_batches(tmp_path / "array.json")] == [3]
    (tmp_path / "cut.json").write_bytes(orjson.dumps([ANSWERED])[:-4])
    assert [batch.statements for batch in client.file_batches(tmp_path / "cut.json", problems.append)] == [1]
    assert len(client.activity_files(tmp_path)) == 3
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CairnError, match="cannot be read to its end"):
        list(client.file_batches(path, problems.append))


def test_a_sender_without_a_token_is_told_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_TOKEN", raising=False)
    with pytest.raises(CairnError, match="cairn source add tilewise"):
        client.find_token(settings, "tilewise", None)


@pytest.mark.parametrize(
    ("cell", "skills"),
    [
        (7, ("7",)),
        ("12_7", ("12", "7")),
        ("a,b", ("a", "b")),
        ("x~~y z", ("x", "y z")),
        ("mean, of all", ("mean, of all",)),
    ],
)
def test_lists_of_skills_are_split(cell: object, skills: tuple[str, ...]) -> None:
    assert split_skills(cell) == skills


def test_a_table_of_responses_becomes_a_small_school(settings: Settings, tmp_path: Path) -> None:
    rows = {
        "user_id": [1, 1, 1, 2, 2, None],
        "t": [1, 0, 1, 0, 1, 0],
        "item_id": ["x", "y", "x", "x", "x", "x"],
        "skill_id": ["a", "a", "b", "a", "a", "a"],
        "correct": [1, 0, 1, 1, 2, 1],
    }
    path = tmp_path / "Small Table.parquet"
    parquet.write_table(pa.table(rows), path)
    prepared = prepare(settings, path, until=datetime(2026, 10, 14, tzinfo=UTC).date())
    assert (prepared.stem, prepared.users, prepared.skills, prepared.skipped) == ("small-table", 2, 2, 2)
    statements = [json.loads(each) for each in prepared.statements()]
    assert statements == [json.loads(each) for each in prepare(settings, path).statements()]
    mine = [each for each in statements if each["actor"]["account"]["name"] == "small-table-u1"]
    assert [each["object"]["id"][-1] for each in mine] == ["y", "x"]
    assert len(mine[1]["context"]["extensions"]["https://cairn.example/xapi/extensions/competencies"]) == 2
    assert mine[0]["timestamp"] < mine[1]["timestamp"] < "2026-10-15"
    outcome = Processor(settings).xapi(orjson.dumps(statements), Source("replay"), "/xapi/statements")
    assert outcome.rejections == []
    assert [each["extensions"] for each in of_topic(outcome, ACTIVITY)] == [None] * len(statements)
    # Of an earlier school year it is history on purpose, and says so: intake would take its times for errors.
    old = prepare(settings, path, until=datetime(2026, 8, 1, tzinfo=UTC).date())
    outcome = Processor(settings).xapi(
        orjson.dumps([json.loads(each) for each in old.statements()]), Source("replay"), "/xapi/statements"
    )
    assert [each["extensions"] for each in of_topic(outcome, ACTIVITY)] == [{HISTORY: "true"}] * len(statements)
    assert {each["org_id"] for each in of_topic(outcome, ACTIVITY)} == {"small-table"}
    with prepared.items_path.open() as file:
        assert len(list(csv.DictReader(file))) == 3


def test_a_table_without_its_columns_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user_id,correct\n1,1\n")
    with pytest.raises(CairnError, match="no column skill_id"):
        prepare(settings, tmp_path / "r.csv")
    with pytest.raises(CairnError, match="no file"):
        prepare(settings, tmp_path / "nothing.csv")


def test_real_responses_are_prepared(settings: Settings, shared_fixture: Callable[[str], Path]) -> None:
    prepared = prepare(settings, shared_fixture("data/responses/akt_assist2017_pid.parquet"), limit=2_000)
    assert len(prepared.responses) == 2_000
    first: dict[str, datetime] = {}
    for each in prepared.responses:
        assert first.get(each.user, each.worked_at) <= each.worked_at
        first[each.user] = each.worked_at


def test_the_day_counts_an_event_once() -> None:
    zone = Settings().zone
    day = Day(zone)
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    record = {
        "event_id": "e1",
        "received_date": day.today().isoformat(),
        "received_at": now,
        "event_time": now,
        "subject_key": "s1_x",
        "org_id": "sch-01",
    }
    for each in (
        record,
        record,
        {**record, "event_id": "e2"},
        {**record, "event_id": "e3", "received_date": "2020-01-01"},
    ):
        day.add(each)
    assert day.school("sch-01")["events_today"] == 2
    assert day.school("sch-01")["pupils_active"] == 1
    assert day.school("sch-02")["events_today"] == 0
