"""Statements with verbs that nobody mapped: taken, listed by source and verb, and evidence once they are mapped."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from streaming import unmapped
from streaming.process import Outcome, Processor
from streaming.sources import SourceRegistry
from streaming.topics import ACTIVITY, RECEIPTS, end_offsets
from tests.streaming.gateway_process import committed
from tests.streaming.taken_in import take_in
from tests.streaming.xapi_bodies import answered

pytestmark = pytest.mark.broker

PONDERED, SIGHED = "https://verbs.example/pondered", "https://verbs.example/sighed"


def records(outcome: Outcome) -> list[bytes]:
    assert outcome.rejections == []
    return [value for _, value in outcome.records()]


def test_what_is_unmapped_waits_and_counts_once_it_is_mapped(broker: Settings, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", kafka_bootstrap=broker.kafka_bootstrap)
    assert unmapped.list_unmapped(settings) == []
    registry = SourceRegistry(settings)
    source, _ = registry.add("tilewise")
    other, _ = registry.add("quillboard")
    registry.close()
    processor = Processor(settings)
    group = {"objectType": "Group", "mbox": "mailto:team@example.org"}
    thought = answered(verb={"id": PONDERED}, timestamp="2026-10-14T08:00:00Z")
    team = answered(verb={"id": PONDERED}, timestamp="2026-10-15T08:00:00Z", actor=group)
    batch = [thought, thought, team, answered(), answered(verb={"id": SIGHED})]
    sent = processor.xapi(orjson.dumps(batch), source, "/xapi/statements")
    take_in(settings, [*records(sent), *records(processor.xapi(orjson.dumps(batch[4]), other, "/xapi/statements"))])

    listed = unmapped.list_unmapped(settings)
    assert [(one.source_id, one.verb, one.statements, one.means) for one in listed] == [
        ("tilewise", PONDERED, 2, None),
        ("quillboard", SIGHED, 1, None),
        ("tilewise", SIGHED, 1, None),
    ]
    assert (listed[0].first_date, listed[0].last_date) == ("2026-10-14", "2026-10-15")
    waits = {"selected": 3, "replayed": 0, "still_unmapped": 3}
    assert unmapped.replay_unmapped(settings, "tilewise") == waits

    district = tmp_path / "district"
    district.mkdir()
    verbs = (REPOSITORY / "schemas/district/verbs.yaml").read_text()
    (district / "verbs.yaml").write_text(verbs.replace("xapi_verbs:\n", f"xapi_verbs:\n  {PONDERED}: attempt\n"))
    mended = settings.model_copy(update={"district_dir": district})
    assert unmapped.list_unmapped(mended)[0].means == "attempt"
    done = {"selected": 3, "replayed": 1, "still_unmapped": 2}
    assert unmapped.replay_unmapped(mended, "tilewise", dry_run=True) == done
    since = end_offsets(settings.kafka_bootstrap)
    assert unmapped.replay_unmapped(mended, "tilewise") == done
    found = committed(settings, since)
    (record,) = found[ACTIVITY]
    taken = orjson.loads(records(sent)[0])
    assert record["event_id"] != taken["event_id"]
    assert {name: record[name] for name in ("activity_type", "duration_ms", "extensions", "event_time")} == {
        "activity_type": "attempt",
        "duration_ms": None,
        "extensions": {"xapi_kind": "mapped"},
        "event_time": taken["event_time"],
    }
    for same in ("subject_key", "source_statement_id", "success", "item_id", "content_hash"):
        assert record[same] == taken[same]
    assert [receipt["statements"] for receipt in found[RECEIPTS]] == [{"unknown": 1}]

    take_in(settings, [orjson.dumps(record)])
    assert unmapped.replay_unmapped(mended, "tilewise") == {"selected": 2, "replayed": 0, "still_unmapped": 2}


def test_what_silver_never_took_does_not_wait(settings: Settings) -> None:
    """An id once with a verb that is mapped, and again with one that is not: a conflict, whatever is mapped later."""
    registry = SourceRegistry(settings)
    source, _ = registry.add("tilewise")
    registry.close()
    one, other = answered(), answered(verb={"id": SIGHED})
    again = one | {"verb": {"id": SIGHED}}
    sent = Processor(settings).xapi(
        orjson.dumps([one, again, other, other | {"result": {}}]), source, "/xapi/statements"
    )
    take_in(settings, records(sent))
    assert [(found.verb, found.statements) for found in unmapped.list_unmapped(settings)] == [(SIGHED, 1)]
    assert unmapped.replay_unmapped(settings, dry_run=True)["selected"] == 1


def test_a_source_that_is_gone_is_named(settings: Settings) -> None:
    registry = SourceRegistry(settings)
    source, _ = registry.add("gone")
    registry.close()
    sent = Processor(settings).xapi(orjson.dumps(answered(verb={"id": SIGHED})), source, "/xapi/statements")
    take_in(settings, records(sent))
    (settings.home / "sources.sqlite").unlink()
    with pytest.raises(CairnError, match="source 'gone' is not known"):
        unmapped.replay_unmapped(settings, dry_run=True)
