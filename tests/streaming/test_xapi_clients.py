"""Common clients against a real gateway: TinCan for Python runs; TinCanJS, H5P and Moodle by requests of their shape.

The requests are written by hand in the shape that these clients' sources give them; none of their text is copied.
"""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from tincan import Activity, Agent, AgentAccount, RemoteLRS, Result, Score, Statement, Verb, Version

from tests.streaming.gateway_process import RunningGateway

pytestmark = pytest.mark.broker

CLIENTS = Path(__file__).parent / "xapi_clients"


@pytest.mark.parametrize("version", Version.supported)
def test_tincan_for_python_asks_about_saves_and_retrieves(gateway: RunningGateway, strict: str, version: str) -> None:
    lrs = RemoteLRS(endpoint=f"{gateway.address}/xapi/", version=version, username="tincan", password=strict)
    about = lrs.about()
    assert about.success
    assert version in about.content.version

    def statement(**parts: Any) -> Statement:
        return Statement(
            actor=Agent(name="Ines", account=AgentAccount(home_page="https://sis.example", name="4711")),
            verb=Verb(id="http://adlnet.gov/expapi/verbs/answered"),
            object=Activity(id="https://items.example/1"),
            result=Result(success=True, score=Score(raw=2, min=0, max=4, scaled=0.5)),
            **parts,
        )

    unnamed = lrs.save_statement(statement())
    assert unnamed.success, unnamed.data
    assert isinstance(unnamed.content.id, uuid.UUID), "it was told the id that its statement was given"
    named = lrs.save_statement(statement(id=uuid.uuid4()))
    assert named.success, named.data
    several = lrs.save_statements([statement(), statement(id=uuid.uuid4())])
    assert several.success, several.data
    for saved in (unnamed.content, named.content, *several.content):
        found = lrs.retrieve_statement(saved.id)
        assert found.success, found.data
        assert found.content.id == saved.id
        assert found.content.result.score.scaled == 0.5
        assert found.content.object.id == "https://items.example/1"
        assert found.content.actor.name is None, "comes back as a pseudonym"
    assert not lrs.retrieve_statement(uuid.uuid4()).success
    assert (
        not RemoteLRS(endpoint=f"{gateway.address}/xapi/", version=version, username="tincan", password="wrong")
        .save_statement(statement())
        .success
    )


@pytest.mark.parametrize("path", sorted(CLIENTS.glob("*.json")), ids=lambda path: path.stem)
def test_what_a_client_sends_is_answered_as_it_expects(gateway: RunningGateway, strict: str, path: Path) -> None:
    basic = "Basic " + base64.b64encode(f"client:{strict}".encode()).decode()
    for number, request in enumerate(json.loads(path.read_text(encoding="utf-8"))["requests"]):
        form = request.get("form")
        sent = {"json": request["json"]} if "json" in request else {}
        headers = request["headers"]
        if form is None:
            headers = headers | {"Authorization": basic}
        else:
            sent = {"data": form | {"Authorization": basic}}
        answer = gateway.call(request["method"], request["path"], headers=headers, **sent)
        expected = request["answer"]
        assert answer.status_code == expected["status"], (number, answer.text)
        told = answer.json() if answer.content else None
        if "is" in expected:
            assert told == expected["is"], number
        if "ids" in expected:
            assert len({uuid.UUID(each) for each in told}) == expected["ids"], number
        if "holds" in expected:
            assert told | expected["holds"] == told, number
        if "reason" in expected:
            assert told["rejected"][0]["reason"] == expected["reason"], number
