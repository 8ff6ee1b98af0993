"""What takes back what, in any order of arrival: a void, of any authority, takes back a statement and never a void.

xAPI 1.0.3, part two, 2.3.2: a voiding statement cannot be voided. Ours: a statement of a source counts as long as the
source has sent no void of it; a void of a void is kept and takes back nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

import lake
from cairn.mastery import arrow
from cairn.mastery.resolve import events_of, voids_of
from cairn.settings import Settings
from streaming.process import Processor, Terms
from streaming.sources import Source
from tests.streaming.xapi_bodies import answered

AT = datetime(2026, 10, 14, 15, tzinfo=UTC)
GROUP = {"objectType": "Group", "member": [{"mbox": "mailto:desk@example.org"}]}
# Three-legged OAuth (xAPI 1.0.3, part two, 2.4.9): an app and a user, as a group of two.
AUTHORITY = {
    "objectType": "Group",
    "member": [
        {"account": {"homePage": "https://apps.example/oauth", "name": "consumer"}},
        {"mbox": "mailto:teacher@example.org"},
    ],
}
# Name: (source, what it takes back, who says so); the two answers have no target.
STATEMENTS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "answer": ("app", None, {}),
    "other answer": ("app", None, {}),
    "void by a group": ("app", "answer", {"actor": GROUP}),
    "void with a group as authority": ("app", "answer", {"authority": AUTHORITY}),
    "void of the void": ("app", "void by a group", {}),
    "void of the void of the void": ("app", "void of the void", {"actor": GROUP}),
    "another source's void": ("elsewhere", "other answer", {}),
}


@pytest.fixture(scope="module")
def silver(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Each statement as silver holds it, in the order of STATEMENTS, by the gateway's own reading in strict mode."""
    home: Path = tmp_path_factory.mktemp("voids")
    processor = Processor(Settings(home=home))
    ids = {name: answered()["id"] for name in STATEMENTS}
    rows = []
    for name, (source, target, parts) in STATEMENTS.items():
        statement = answered(id=ids[name], **parts)
        if target is not None:
            del statement["result"]
            statement["verb"] = {"id": "http://adlnet.gov/expapi/verbs/voided"}
            statement["object"] = {"objectType": "StatementRef", "id": ids[target]}
        outcome = processor.xapi(
            orjson.dumps(statement), Source(source), "/xapi", terms=Terms(is_whole=True, parts={}), received=AT
        )
        assert outcome.rejections == [], name
        ((_, value),) = outcome.records()
        days = {"received_date": date(2026, 10, 14), "work_date": date(2026, 10, 14)}
        kept = {key: given for key, given in orjson.loads(value).items() if key not in ("raw", "extensions")}
        rows.append({**kept, **days, "received_at": AT, "event_time": AT})
    return pa.Table.from_pylist(rows, lake.file_schema("silver.learner_activity"))


def counting(silver: pa.Table, arrived: list[str]) -> int:
    """How many statements' work counts of those that have arrived."""
    here = silver.take(pa.array([list(STATEMENTS).index(name) for name in arrived]))
    voided = arrow.integers(voids_of(here)["statement_key"])
    return int((~np.isin(arrow.integers(events_of(here)["statement_key"]), voided)).sum())


@effort(max_examples=60, deadline=None)
@given(order=st.permutations(list(STATEMENTS)))
def test_what_counts_is_what_nothing_has_taken_back(silver: pa.Table, order: list[str]) -> None:
    """After each arrival: an answer counts where it is here and no void of it by its own source is."""
    for size in range(1, len(order) + 1):
        arrived = order[:size]
        is_taken_back = not {"void by a group", "void with a group as authority"}.isdisjoint(arrived)
        expected = {"other answer"} if is_taken_back else {"answer", "other answer"}
        assert counting(silver, arrived) == len(expected & set(arrived))
