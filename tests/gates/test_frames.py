"""Failing rows by scope: each scope is told with ids of its own, however many another has."""

from __future__ import annotations

import pyarrow as pa

from cairn.settings import Settings
from gates.frames import Frame
from gates.model import HOLDS_SCOPE, SAMPLE_IDS, Rule


def test_no_scope_is_told_without_an_id(settings: Settings) -> None:
    many = [("school/a", f"a-{number:04d}") for number in range(1000)]
    rows = [*many, ("school/z", "z-1")]
    table = pa.table({"scope": [scope for scope, _ in rows], "event_id": [event for _, event in rows]})
    rule = Rule("silver.bad", "ExpectColumnValuesToNotBeNull", {}, HOLDS_SCOPE, "bad", bad_rows="true")
    found = {
        key: (number, ids)
        for _, key, number, ids in Frame(settings, "silver", 1001, "event_id", table).failing(rule, "scope")
    }
    assert {key: number for key, (number, _) in found.items()} == {"a": 1000, "z": 1}
    assert found["z"][1] == ["z-1"]
    assert len(found["a"][1]) == SAMPLE_IDS
