"""The gateway with a real broker: what is answered is in the topic exactly once, and the books balance."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from typing import Any

import jsonschema_rs
import pytest

from cairn.settings import REPOSITORY
from streaming import client, rejected
from streaming.live import Reader
from streaming.sources import Mode, SourceRegistry
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED, end_offsets
from tests.streaming.gateway_process import RunningGateway, committed, raw

pytestmark = pytest.mark.broker

CALIPER_CONTEXT = "http://purl.imsglobal.org/ctx/caliper/v1p2"
EXTENSION = "https://cairn.example/xapi/extensions/"


def answered(school: str | None = "sch-01", **parts: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "actor": {"name": "Adelheid Quill", "mbox": "mailto:adelheid.quill@example.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
        "object": {"id": "https://items.example/1"},
        "result": {"success": True, "response": "my name is Adelheid Quill"},
    }
    if school:
        statement["context"] = {"extensions": {EXTENSION + "school": school}}
    return statement | parts


def books(found: dict[str, list[dict[str, Any]]]) -> tuple[int, int, int]:
    """Statements by receipts, records, refusals."""
    received = sum(sum(receipt["statements"].values()) for receipt in found[RECEIPTS])
    return received, len(found[ACTIVITY]), len(found[REJECTED])


def test_a_mixed_batch_is_told_apart_and_balances(gateway: RunningGateway) -> None:
    token = gateway.token("mixed")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    batch = [answered(), answered(verb={"id": "pondered"}), answered(school=None), 7]
    answer = gateway.call("POST", "/xapi/statements", token, json=batch)
    assert answer.status_code == 207
    told = answer.json()
    assert told["accepted"] == [batch[0]["id"], batch[2]["id"]]
    assert [(each["index"], each["id"], each["reason"]) for each in told["rejected"]] == [
        (1, batch[1]["id"], "iri_invalid"),
        (3, None, "not_a_statement"),
    ]
    found = committed(gateway.settings, since)
    assert books(found) == (4, 2, 2)
    assert [receipt["statements"] for receipt in found[RECEIPTS]] == [{"sch-01": 2, "unknown": 2}]
    for topic, records in found.items():
        contract = jsonschema_rs.validator_for(
            json.loads((REPOSITORY / "schemas" / "events" / topic / "schema.json").read_text())
        )
        for record in records:
            contract.validate(record)


def test_no_topic_holds_who_it_was(gateway: RunningGateway) -> None:
    token = gateway.token("private")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    batch = [
        answered(),
        answered(actor={"account": {"homePage": "https://id.example", "name": "aquill9"}}),
        answered(object=5),
    ]
    gateway.call("POST", "/xapi/statements", token, json=batch)
    everything = b"".join(value for values in raw(gateway.settings, since).values() for value in values).lower()
    assert everything
    for word in (b"adelheid", b"quill", b"mailto", b"example.org"):
        assert word not in everything


def test_one_statement_put_and_sent_again(gateway: RunningGateway) -> None:
    token = gateway.token("single")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    statement = answered()
    address = f"/xapi/statements?statementId={statement['id']}"
    put = gateway.call("PUT", address, token, json=statement, headers={"X-Experience-API-Version": "2.0.0"})
    assert (put.status_code, put.headers["x-experience-api-version"]) == (204, "2.0.0")
    again = gateway.call("POST", "/xAPI/statements", token, json=statement)
    assert (again.status_code, again.json()) == (200, [statement["id"]])
    assert again.headers["x-cairn-duplicates"] == "1"
    other = gateway.call("POST", "/xapi/statements", token, json=statement | {"result": {"success": False}})
    assert other.headers["x-cairn-conflicts"] == "1"
    wrong = gateway.call("PUT", f"/xapi/statements?statementId={uuid.uuid4()}", token, json=statement)
    assert (wrong.status_code, wrong.json()["rejected"][0]["reason"]) == (400, "id_mismatch")
    assert gateway.call("PUT", "/xapi/statements", token, json=statement).status_code == 400
    found = committed(gateway.settings, since)
    assert books(found) == (4, 3, 1)
    assert len({record["event_id"] for record in found[ACTIVITY]}) == 1


def test_only_a_valid_token_gets_in(gateway: RunningGateway) -> None:
    token = gateway.token("basic")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    assert gateway.call("POST", "/xapi/statements", "wrong", json=[]).status_code == 401
    assert gateway.call("POST", "/caliper", "wrong", json=[]).status_code == 401
    assert gateway.call("DELETE", "/xapi/statements", token).status_code == 405
    assert gateway.call("POST", "/subjects", token, json=[]).status_code == 403
    assert gateway.call("GET", "/nothing").status_code == 404
    basic = gateway.call(
        "POST", "/xapi/statements", headers={"Authorization": _basic("anybody", token)}, json=answered()
    )
    assert basic.status_code == 200
    version = {"X-Experience-API-Version": "0.9"}
    assert gateway.call("POST", "/xapi/statements", token, json=answered(), headers=version).status_code == 400
    assert books(committed(gateway.settings, since)) == (1, 1, 0)


def _basic(user: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_scope_and_rate_are_of_the_token(gateway: RunningGateway) -> None:
    scoped = gateway.token("scoped", schools=["sch-02"])
    since = end_offsets(gateway.settings.kafka_bootstrap)
    refused = gateway.call("POST", "/xapi/statements", scoped, json=answered())
    assert (refused.status_code, refused.json()["rejected"][0]["reason"]) == (403, "school_out_of_scope")
    assert gateway.call("POST", "/xapi/statements", scoped, json=answered(school=None)).status_code == 200
    (record,) = committed(gateway.settings, since)[ACTIVITY]
    assert record["org_id"] == "sch-02"
    slow = gateway.token("slow", rate=1)
    assert gateway.call("POST", "/xapi/statements", slow, json=[answered() for _ in range(20)]).status_code == 200
    late = gateway.call("POST", "/xapi/statements", slow, json=answered())
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 5


def test_packed_cut_and_bombing_bodies(gateway: RunningGateway) -> None:
    token = gateway.token("packed")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    packed = {"Content-Encoding": "gzip"}
    whole = gzip.compress(json.dumps([answered(), answered()]).encode())
    assert gateway.call("POST", "/xapi/statements", token, content=whole, headers=packed).status_code == 200
    bomb = gateway.call("POST", "/xapi/statements", token, content=gzip.compress(b" " * (200 << 20)), headers=packed)
    assert (bomb.status_code, bomb.json()["rejected"][0]["reason"]) == (413, "body_too_large")
    cut = gateway.call("POST", "/xapi/statements", token, content=b'[{"actor":\n')
    assert (cut.status_code, cut.json()["rejected"][0]["reason"]) == (400, "malformed_json")
    assert "line" in cut.json()["rejected"][0]["detail"]
    assert books(committed(gateway.settings, since)) == (4, 2, 2)


def test_caliper_and_subjects(gateway: RunningGateway) -> None:
    token = gateway.token("quillboard", can_ask_subjects=True)
    since = end_offsets(gateway.settings.kafka_bootstrap)
    person = "https://id.cedar.example/users/aquill9"
    event = {
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": "NavigationEvent",
        "actor": {"id": person, "type": "Person"},
        "action": "NavigatedTo",
        "object": {"id": "https://q.example/1", "type": "DigitalResource"},
        "eventTime": "2026-10-13T10:57:06.000Z",
    }
    entity = {"id": "https://q.example/1", "type": "DigitalResource"}
    envelope = {
        "sensor": "s",
        "sendTime": "2026-10-13T11:00:00.000Z",
        "dataVersion": CALIPER_CONTEXT,
        "data": [event, entity],
    }
    assert gateway.call("POST", "/caliper", token, json=envelope).status_code == 200
    broken = gateway.call(
        "POST", "/caliper", token, json={**envelope, "data": [event, {**event, "action": "Pondered"}]}
    )
    assert broken.status_code == 207
    for part, status in (({"dataVersion": "v9"}, 422), ({"comment": "x"}, 400), ({"data": [7]}, 400)):
        assert gateway.call("POST", "/caliper", token, json={**envelope, **part}).status_code == status
    found = committed(gateway.settings, since)
    assert books(found) == (7, 3, 4)
    asked = gateway.call("POST", "/subjects", token, json=[{"kind": "caliper", "value": person}])
    assert asked.json()["subject_keys"][0] in {record["subject_key"] for record in found[ACTIVITY]}
    assert gateway.call("POST", "/subjects", token, json={"kind": 5}).status_code == 400


def test_open_addresses(gateway: RunningGateway) -> None:
    assert gateway.call("GET", "/xapi/about").json()["version"] == ["1.0.3", "2.0.0"]
    assert gateway.call("GET", "/").status_code == 200
    assert gateway.call("GET", "/health").json() == {"status": "ready"}
    assert "cairn_gateway_requests_total" in gateway.call("GET", "/metrics").text


def test_a_file_is_sent_and_its_refusals_replayed(gateway: RunningGateway, tmp_path: Any) -> None:
    registry = SourceRegistry(gateway.settings)
    gateway.token("filed", schools=["sch-01"])
    since = end_offsets(gateway.settings.kafka_bootstrap)
    odd = answered("sch-09")
    lines = [answered() for _ in range(1_200)] + [odd]
    text = "\n".join(json.dumps(each) for each in [*lines, lines[0]]) + '\n{"actor":'
    (tmp_path / "work.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    problems: list[str] = []
    sent = client.send(gateway.settings, tmp_path, "filed", on_problem=problems.append)
    assert sent == {"sent": 1_203, "accepted": 1_200, "duplicate": 1, "rejected": 2, "conflict": 0}
    assert len(problems) == 1
    assert books(committed(gateway.settings, since)) == (1_203, 1_201, 2)

    listed = {one.reason: one for one in rejected.list_rejected(gateway.settings, source="filed")}
    assert {reason: (one.statements, one.kept) for reason, one in listed.items()} == {
        "malformed_json": (1, 1),
        "school_out_of_scope": (1, 1),
    }
    assert "cairn source add" in listed["school_out_of_scope"].what_to_do
    same = {"reason": "school_out_of_scope", "source": "filed"}
    refused_again = {"selected": 1, "replayed": 0, "still_rejected": 1}
    sealed = sorted((path, path.stat().st_size) for path in gateway.settings.sealed_dir.iterdir())
    assert rejected.replay(gateway.settings, **same, dry_run=True) == refused_again
    assert sorted((path, path.stat().st_size) for path in gateway.settings.sealed_dir.iterdir()) == sealed
    assert rejected.replay(gateway.settings, **same) == refused_again
    assert sorted((path, path.stat().st_size) for path in gateway.settings.sealed_dir.iterdir()) == sealed
    assert books(committed(gateway.settings, since)) == (1_203, 1_201, 2), "as before, so nothing was sent"
    registry.revoke("filed")
    registry.add("filed", ["sch-01", "sch-09"], mode=Mode.PARTIAL)
    registry.close()
    accepted_now = {"selected": 1, "replayed": 1, "still_rejected": 0}
    assert rejected.replay(gateway.settings, **same, dry_run=True) == accepted_now
    assert rejected.replay(gateway.settings, **same) == accepted_now
    assert rejected.replay(gateway.settings, **same) == {"selected": 0, "replayed": 0, "still_rejected": 0}
    found = committed(gateway.settings, since)
    assert books(found) == (1_204, 1_202, 2)
    assert odd["id"] in {record["source_statement_id"] for record in found[ACTIVITY]}
    assert [each.reason for each in rejected.list_rejected(gateway.settings, source="filed")] == ["malformed_json"]


def test_live_counts_what_came_in_today(gateway: RunningGateway) -> None:
    token = gateway.token("watched")
    reader = Reader(gateway.settings)
    reader.start()
    try:
        school = f"sch-{uuid.uuid4()}"
        batch = [answered(school), answered(school), answered(school, actor={"mbox": "mailto:b@example.org"})]
        assert gateway.call("POST", "/xapi/statements", token, json=[*batch, batch[0]]).status_code == 200
        deadline = time.monotonic() + 60
        while reader.day.school(school)["events_today"] < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
        seen = reader.day.school(school)
        assert (seen["events_today"], seen["pupils_active"]) == (3, 2)
        assert sum(seen["events_by_work_date"].values()) == 3
    finally:
        reader.stop()
