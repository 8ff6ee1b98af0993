"""The Statement Resource with a real broker: status codes and headers, strict and partial, what comes back."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from streaming.sources import Mode
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED, end_offsets
from tests.streaming.gateway_process import RunningGateway, committed
from tests.streaming.xapi_bodies import answered, multipart, signed, with_attachment

pytestmark = pytest.mark.broker

V1, V2 = {"X-Experience-API-Version": "1.0.3"}, {"X-Experience-API-Version": "2.0.0"}
ADDRESS = "/xapi/statements"
# In a certificate: the kind of its key (rsaEncryption) as one that is nobody's, its version (v3) as one to come.
UNKNOWN_KEY = (bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f"))
UNKNOWN_VERSION = (bytes.fromhex("a003020102"), bytes.fromhex("a003020109"))


@pytest.fixture(scope="module")
def partial(gateway: RunningGateway) -> str:
    return gateway.token("one-by-one", mode=Mode.PARTIAL)


def reasons(answer: httpx.Response) -> list[str]:
    return [each["reason"] for each in answer.json()["rejected"]]


def test_one_bad_statement_refuses_a_strict_batch_and_the_books_say_so(gateway: RunningGateway, strict: str) -> None:
    since = end_offsets(gateway.settings.kafka_bootstrap)
    without_id = answered()
    del without_id["id"]
    batch = [answered(), answered(verb={"id": "pondered"}), without_id]
    answer = gateway.call("POST", ADDRESS, strict, json=batch, headers=V1)
    assert (answer.status_code, reasons(answer)) == (400, ["batch_refused", "iri_invalid", "batch_refused"])
    assert answer.json()["rejected"][1] | {"detail": ""} == {
        "index": 1,
        "id": batch[1]["id"],
        "reason": "iri_invalid",
        "path": "verb.id",
        "detail": "",
    }
    assert gateway.call("GET", f"{ADDRESS}?statementId={batch[0]['id']}", strict, headers=V1).status_code == 404
    found = committed(gateway.settings, since)
    assert (len(found[ACTIVITY]), len(found[REJECTED])) == (0, 3)
    assert sum(found[RECEIPTS][0]["statements"].values()) == 3
    # What is well comes again with its batch; alone it would say less, and without an id it would be another.
    assert [each["seal_ref"] is None for each in found[REJECTED]] == [True, False, True]


def test_the_same_batch_is_told_apart_in_the_partial_mode(gateway: RunningGateway, partial: str) -> None:
    batch = [answered(), answered(verb={"id": "pondered"}), answered()]
    answer = gateway.call("POST", ADDRESS, partial, json=batch)
    assert (answer.status_code, reasons(answer)) == (207, ["iri_invalid"])
    assert answer.json()["accepted"] == [batch[0]["id"], batch[2]["id"]]


@pytest.mark.parametrize(
    ("version", "status", "answered_version"),
    [
        (None, 400, "1.0.3"),
        ("1.0", 200, "1.0.3"),
        ("1.0.1", 200, "1.0.3"),
        ("1.0.9", 200, "1.0.3"),
        ("2.0.0", 200, "2.0.0"),
        ("0.95", 400, "1.0.3"),
        ("1.1.0", 400, "1.0.3"),
        ("1.0.x", 400, "1.0.3"),
        ("2.1.0", 400, "1.0.3"),
    ],
)
def test_the_version_header_is_asked_for_and_answered(
    gateway: RunningGateway, strict: str, version: str | None, status: int, answered_version: str
) -> None:
    headers = {} if version is None else {"X-Experience-API-Version": version}
    answer = gateway.call("POST", ADDRESS, strict, json=answered(), headers=headers)
    assert (answer.status_code, answer.headers["x-experience-api-version"]) == (status, answered_version)


def test_every_answer_has_the_version(gateway: RunningGateway, strict: str) -> None:
    answers = {
        401: gateway.call("POST", ADDRESS, "wrong", json=[], headers=V2),
        404: gateway.call("GET", "/xapi/activities/state", strict, headers=V2),
        405: gateway.call("DELETE", ADDRESS, strict, headers=V2),
        400: gateway.call("POST", ADDRESS, strict, content=b"{", headers=V2 | {"Content-Type": "application/json"}),
        403: gateway.call("GET", ADDRESS, strict, headers=V2),
        415: gateway.call("POST", ADDRESS, strict, content=b"", headers=V2 | {"Content-Encoding": "br"}),
    }
    for status, answer in answers.items():
        assert (answer.status_code, answer.headers["x-experience-api-version"]) == (status, "2.0.0")


def test_put_needs_its_id_and_a_second_content_is_a_conflict(gateway: RunningGateway, strict: str) -> None:
    statement = answered()
    address = f"{ADDRESS}?statementId={statement['id']}"
    call = lambda method, where, body, **more: gateway.call(  # noqa: E731 - one line a request below
        method, where, strict, json=body, headers=V1 | more
    )
    assert call("PUT", ADDRESS, statement).status_code == 400
    assert call("PUT", f"{ADDRESS}?StatementId={statement['id']}", statement).status_code == 400
    assert call("PUT", f"{ADDRESS}?statementId=17", statement).status_code == 400
    assert reasons(call("PUT", f"{ADDRESS}?statementId={uuid.uuid4()}", statement)) == ["id_mismatch"]
    assert call("PUT", address, statement).status_code == 204
    assert call("PUT", address, statement).status_code == 204
    assert call("PUT", address, statement, **{"If-None-Match": "*"}).status_code == 412
    other = statement | {"result": {"success": False}}
    for answer in (call("PUT", address, other), call("POST", ADDRESS, other)):
        assert (answer.status_code, reasons(answer)) == (409, ["id_conflict"])
    batch = call("POST", ADDRESS, [answered(), other])
    assert (batch.status_code, reasons(batch)) == (409, ["batch_refused", "id_conflict"])
    kept = gateway.call("GET", address, strict, headers=V1).json()
    assert kept["result"] == {"success": True}


def test_an_id_twice_in_a_batch_and_unknown_parameters_are_refused(gateway: RunningGateway, strict: str) -> None:
    one = answered()
    answer = gateway.call("POST", ADDRESS, strict, json=[one, one], headers=V1)
    assert (answer.status_code, reasons(answer)) == (400, ["batch_refused", "id_repeated"])
    for query in ("?foo=bar", f"?statementId={one['id']}"):
        assert gateway.call("POST", ADDRESS + query, strict, json=one, headers=V1).status_code == 400
    for query in ("?StatementId=" + one["id"], "?Limit=1", f"?statementId={one['id']}&limit=1"):
        assert gateway.call("GET", ADDRESS + query, strict, headers=V1).status_code == 400
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = gateway.call("POST", ADDRESS, strict, content=b"{}", headers=V1 | {"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]) == (400, "content_type")


def test_a_statement_comes_back_as_a_pseudonym_to_its_source_only(
    gateway: RunningGateway, strict: str, partial: str
) -> None:
    statement = answered(result={"success": True, "score": {"scaled": 0.5}, "duration": "PT1M2.5S", "response": "Ada"})
    assert gateway.call("POST", ADDRESS, strict, json=statement, headers=V1).status_code == 200
    address = f"{ADDRESS}?statementId={statement['id'].upper()}"
    answer = gateway.call("GET", address, strict, headers=V1)
    assert answer.status_code == 200
    found = answer.json()
    assert found["id"] == statement["id"]
    assert found["result"] == {"success": True, "score": {"scaled": 0.5}, "duration": "PT62.500S"}
    assert found["actor"]["account"]["homePage"] == "https://cairn.example/subjects"
    assert found["verb"] == {"id": statement["verb"]["id"]}
    assert {"stored", "authority", "version", "timestamp"} <= found.keys()
    for word in ("Adelheid", "quill", "Ada"):
        assert word not in answer.text
    assert answer.headers["etag"].startswith('"')
    assert "x-experience-api-consistent-through" in answer.headers
    head = gateway.call("HEAD", address, strict, headers=V1)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert gateway.call("GET", address, partial).status_code == 404
    assert gateway.call("GET", f"{ADDRESS}?statementId={uuid.uuid4()}", strict, headers=V1).status_code == 404


def test_a_voided_statement_is_asked_for_as_one(gateway: RunningGateway, strict: str) -> None:
    statement = answered()
    void = answered(
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
        object={"objectType": "StatementRef", "id": statement["id"]},
        result={},
    )
    again = void | {"id": str(uuid.uuid4()), "object": {"objectType": "StatementRef", "id": void["id"]}}
    for each in (statement, void, again):
        assert gateway.call("POST", ADDRESS, strict, json=each, headers=V1).status_code == 200
    for name, where, status in (
        ("statementId", statement, 404),
        ("voidedStatementId", statement, 200),
        ("statementId", void, 200),
        ("voidedStatementId", void, 404),
    ):
        answer = gateway.call("GET", f"{ADDRESS}?{name}={where['id']}", strict, headers=V1)
        assert (name, answer.status_code) == (name, status)


def test_any_verb_is_taken(gateway: RunningGateway, strict: str) -> None:
    since = end_offsets(gateway.settings.kafka_bootstrap)
    odd = answered(verb={"id": "https://verbs.example/pondered"})
    assert gateway.call("POST", ADDRESS, strict, json=odd, headers=V1).status_code == 200
    (record,) = committed(gateway.settings, since)[ACTIVITY]
    assert record["activity_type"] == "engagement"
    assert record["extensions"] == {"xapi_kind": "unmapped"}
    assert record["raw"]["verb"] == "https://verbs.example/pondered"


def test_attachments_come_as_parts_and_are_checked(gateway: RunningGateway, strict: str) -> None:
    data = b"here is a simple\r\nattachment"
    statement = with_attachment(answered(), data)
    assert reasons(gateway.call("POST", ADDRESS, strict, json=statement, headers=V1)) == ["attachment_invalid"]
    linked = with_attachment(answered(), data, fileUrl="https://files.example/1")
    assert gateway.call("POST", ADDRESS, strict, json=linked, headers=V1).status_code == 200

    def post(body: bytes, kind: str = 'multipart/mixed; boundary="abc_1"') -> httpx.Response:
        return gateway.call("POST", ADDRESS, strict, content=body, headers=V1 | {"Content-Type": kind})

    whole = multipart([statement], [data])
    assert post(whole).status_code == 200
    assert post(multipart([answered()], [])).status_code == 200
    assert reasons(post(multipart([statement], []))) == ["attachment_invalid"]
    assert reasons(post(multipart([statement], [data, b"more"]))) == ["multipart_invalid"]
    assert reasons(post(multipart([statement], [data[:-1]], sums_of=[data]))) == ["attachment_invalid"]
    for cut in (
        whole[:-6],
        whole.replace(b"X-Experience-API-Hash", b"X-Other"),
        whole.replace(b"Encoding: binary", b"Encoding: base64"),
        whole.replace(b"application/json", b"text/plain"),
        b"Content-Type: application/json" + whole,
    ):
        answer = post(cut)
        assert (answer.status_code, reasons(answer)) == (400, ["multipart_invalid"])
    assert reasons(post(whole, "multipart/mixed")) == ["multipart_invalid"]


@pytest.mark.parametrize(
    ("algorithm", "change", "reason"),
    [
        ("RS256", {}, None),
        ("RS384", {}, None),
        ("RS512", {}, None),
        ("HS256", {}, "signature_invalid"),
        ("RS256", {"content": {"result": {"success": False}}}, "signature_invalid"),
        ("RS256", {"kind": "text/plain"}, "signature_invalid"),
        ("RS256", {"other_key": True}, "signature_invalid"),
        ("RS256", {"cut": True}, "signature_invalid"),
        ("RS256", {"swap": UNKNOWN_KEY}, "signature_invalid"),
        ("RS256", {"swap": UNKNOWN_VERSION}, "signature_invalid"),
    ],
)
def test_a_signature_is_held_against_its_statement(
    gateway: RunningGateway, strict: str, algorithm: str, change: dict[str, Any], reason: str | None
) -> None:
    statement, signature = signed(answered(timestamp="2026-10-14T08:00:00Z"), algorithm, **change)
    headers = V1 | {"Content-Type": "multipart/mixed; boundary=abc_1"}
    kind = change.get("kind", "application/octet-stream")
    body = multipart([statement], [signature], kind=kind)
    answer = gateway.call("POST", ADDRESS, strict, content=body, headers=headers)
    assert answer.status_code == (200 if reason is None else 400), answer.text
    if reason is not None:
        assert reasons(answer) == [reason]


def test_the_alternate_syntax_of_1_0_3(gateway: RunningGateway, strict: str) -> None:
    statement = answered()
    form = {"statementId": statement["id"], "content": json.dumps(statement), "X-Experience-API-Version": "1.0.3"}
    form["Authorization"] = f"Bearer {strict}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    def post(method: str, fields: dict[str, str], more: str = "", **headers: str) -> httpx.Response:
        body = urlencode(fields).encode()
        return gateway.call("POST", f"{ADDRESS}?method={method}{more}", content=body, headers=kind | headers)

    assert post("PUT", form).status_code == 204
    asked = {name: form[name] for name in ("statementId", "Authorization", "X-Experience-API-Version")}
    assert post("GET", asked).json()["id"] == statement["id"]
    stored = post("POST", {name: form[name] for name in form if name != "statementId"})
    assert (stored.status_code, stored.json()) == (200, [statement["id"]])
    assert post("PUT", asked).status_code == 400
    assert post("PUT", form, f"&statementId={statement['id']}").status_code == 400
    assert post("PUT", form | {"X-Experience-API-Version": "0.8"}).status_code == 400
    assert post("PUT", form | {"Authorization": "Bearer wrong"}).status_code == 401
    assert post("PUT", form, **V2).status_code == 400
    answer = gateway.call("PUT", f"{ADDRESS}?method=POST", content=urlencode(form).encode(), headers=kind)
    assert answer.status_code == 400
    raw = gateway.call("POST", f"{ADDRESS}?method=PUT", content=json.dumps(form).encode(), headers=kind)
    assert raw.status_code == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id":1,"id":2}', "key_repeated"),
        (b'{"actor":{"mbox":"mailto:a@x.example","mbox":"mailto:b@x.example"}}', "key_repeated"),
        (b'{"\\u0061ctor":1,"actor":2}', "key_repeated"),
        (b'{"actor\\u003a":1}', "field_unknown"),
        (b'{"actor":"\\ud83d"}', "malformed_json"),
        (b'{"actor":NaN}', "malformed_json"),
        (b'{"actor":"\xff"}', "malformed_json"),
        (b"[" * 900 + b"]" * 900, "nested_too_deep"),
        (b"[" * 100_000, "malformed_json"),
        (b'{"result":{"score":{"raw":1e999}}}', "malformed_json"),
        (b'{"result":{"score":{"raw":' + b"9" * 5_000 + b"}}}", "malformed_json"),
        (b"null", "field_missing"),
        (b'"statement"', "not_a_statement"),
        (b"", "malformed_json"),
        (b"\x00", "malformed_json"),
    ],
)
def test_what_json_leaves_open_has_one_answer(
    gateway: RunningGateway, strict: str, partial: str, body: bytes, reason: str
) -> None:
    for token in (strict, partial, strict):
        headers = V1 | {"Content-Type": "application/json"}
        answer = gateway.call("POST", ADDRESS, token, content=body, headers=headers)
        assert (answer.status_code, reasons(answer)) == (400, [reason])


def test_a_nul_in_a_text_and_huge_numbers_in_extensions_are_taken(gateway: RunningGateway, strict: str) -> None:
    odd = {"https://x.example/big": 12345678901234567890123, "https://x.example/none": None}
    statement = answered(result={"success": True, "response": "12\u0000"}, context={"extensions": odd})
    assert gateway.call("POST", ADDRESS, strict, json=statement, headers=V1).status_code == 200


@pytest.mark.parametrize(
    ("version", "listed"),
    [
        ("1.0.3", ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]),
        ("1.0.1", ["1.0.0", "1.0.1"]),
        ("1.0.0", ["1.0.0"]),
        ("2.0.0", ["1.0.3", "2.0.0"]),
        ("0.95", ["1.0.3", "2.0.0"]),
    ],
)
def test_about_names_versions_that_its_client_can_know(
    gateway: RunningGateway, version: str, listed: list[str]
) -> None:
    answer = gateway.call("GET", "/xapi/about", headers={"X-Experience-API-Version": version})
    assert (answer.status_code, answer.json()) == (200, {"version": listed})
