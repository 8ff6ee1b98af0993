"""``cairn source`` and ``cairn intake unmapped``: the mode of a sender, and verbs that nobody mapped."""

from __future__ import annotations

import json

import orjson
import pytest
from typer.testing import CliRunner

from cairn.errors import UsageError
from cairn.settings import Settings
from cli import intake, source
from streaming.process import Processor
from streaming.sources import Source
from tests.streaming.taken_in import take_in

SIGHED = "https://verbs.example/sighed"


def test_a_sender_is_strict_unless_it_is_said(settings: Settings) -> None:
    runner = CliRunner()
    added = json.loads(runner.invoke(source.app, ["add", "by-the-letter", "--json"]).stdout)
    assert (added["source_id"], added["mode"]) == ("by-the-letter", "strict")
    assert runner.invoke(source.app, ["add", "one-by-one", "--mode", "partial"]).exit_code == 0
    listed = json.loads(runner.invoke(source.app, ["list", "--json"]).stdout)["sources"]
    assert {each["source_id"]: each["mode"] for each in listed} == {"by-the-letter": "strict", "one-by-one": "partial"}
    assert "partial" in runner.invoke(source.app, ["list"]).output
    wrong = runner.invoke(source.app, ["add", "odd", "--mode", "loose"])
    assert isinstance(wrong.exception, UsageError)
    assert "--mode strict or --mode partial" in str(wrong.exception)


@pytest.mark.parametrize("count", [0, 2])
def test_unmapped_verbs_are_named_with_what_to_do(settings: Settings, count: int) -> None:
    statement = {
        "actor": {"mbox": "mailto:adelheid@example.org"},
        "verb": {"id": SIGHED},
        "object": {"id": "https://items.example/1"},
    }
    body = orjson.dumps([statement] * count)
    sent = Processor(settings).xapi(body, Source("tilewise"), "/xapi/statements")
    take_in(settings, [value for _, value in sent.records()])
    told = CliRunner().invoke(intake.app, ["unmapped", "list"]).output
    if count:
        assert SIGHED in told
        assert "2 statements wait" in told
        assert "cairn intake unmapped replay" in told
    else:
        assert "every verb that was taken in is mapped" in told
