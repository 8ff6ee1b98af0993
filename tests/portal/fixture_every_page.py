"""What the fixture's home lacks for some addresses: a release of the day before, what a build knows of its tables, a
log of the portal. Each is there as long as the block lasts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from cairn.settings import Settings
from portal.lineage import manifest_path
from releases import store
from tests.portal.fixture_release import LEARNING_ID, SHOWN_ID

DIFFERENCE = f"/releases/{SHOWN_ID}/{LEARNING_ID}"
TABLE, LOG = "/operations/tables/mart_needs_adult", "/operations/logs/portal"
STATE, ADULT = "source.cairn.gold.mastery_state", "model.cairn.mart_needs_adult"
# As dbt writes it, with the parts that are read.
BUILD = {
    "sources": {
        STATE: {
            "resource_type": "source",
            "source_name": "gold",
            "name": "mastery_state",
            "columns": {},
        }
    },
    "nodes": {ADULT: {"resource_type": "model", "name": "mart_needs_adult", "columns": {}}},
    "exposures": {},
    "parent_map": {STATE: [], ADULT: [STATE]},
    "child_map": {STATE: [ADULT], ADULT: []},
}


@contextmanager
def release_before(settings: Settings) -> Iterator[None]:
    """A release of the day before, that lacks three pupils who need an adult."""
    after = store.get(settings, "learning", LEARNING_ID).path.parent
    before = after.with_name(SHOWN_ID)
    shutil.copytree(after, before)
    manifest = json.loads((before / "manifest.json").read_text())
    told = manifest | {"release_id": SHOWN_ID, "data_date": "2026-10-13", "published_at": "2026-10-14T07:40:00+00:00"}
    (before / "manifest.json").write_text(json.dumps(told))
    with duckdb.connect(str(before / "warehouse.duckdb")) as connection:
        connection.execute(
            "delete from mart_needs_adult where student_key in"
            " (select distinct student_key from mart_needs_adult order by 1 limit 3)"
        )
    try:
        yield
    finally:
        shutil.rmtree(before)


@contextmanager
def build_and_log(settings: Settings) -> Iterator[None]:
    """What the newest build knows of a table and of what it is made of, and a line in the portal's log."""
    build, log = manifest_path(settings), settings.logs_dir / "portal.log"
    for path, text in ((build, json.dumps(BUILD)), (log, "200\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        yield
    finally:
        build.unlink()
        log.unlink()
