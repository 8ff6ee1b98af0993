"""Publishing: swapped in whole, a few kept, ids never used twice."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from releases import learning, store
from tests.releases.small_release import make, publish_unseen

FIRST = date(2026, 10, 1)


def test_nothing_is_current_before_the_first(settings: Settings) -> None:
    assert store.current(settings, "learning") is None
    assert store.list_releases(settings) == []
    with pytest.raises(CairnError, match="cairn night run"):
        store.open_release(settings, "learning")


def test_reader_never_sees_half_a_release(settings: Settings) -> None:
    """Each release says its own day in every row; a reader that sees two days in one connection saw half of one."""
    publish_unseen(settings, make(settings, FIRST, [("s1", "p", "k", "silent", FIRST.isoformat())]))
    torn: list[Any] = []
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                release = store.current(settings, "learning")
                assert release is not None
                connection = store.open_release(settings, "learning")
                days = connection.execute(
                    "select detail from mart_needs_adult union select data_date::varchar from mart_school_trust"
                ).fetchall()
                connection.close()
                seen.update(day for (day,) in days)
                if len(days) != 1:
                    torn.append(days)
            except Exception as error:
                torn.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, 8):
        day = FIRST.replace(day=number)
        publish_unseen(settings, make(settings, day, [("s1", "p", "k", "silent", day.isoformat())]))
    done.set()
    reader.join()
    assert not torn
    assert len(seen) > 1, "the reader saw no swap: it proves nothing"


def test_publishing_again_changes_nothing(settings: Settings) -> None:
    release = publish_unseen(settings, make(settings, FIRST, []))
    again = learning.publish(settings, release)
    assert again.release_id == release.release_id == "learning-2026-10-01-1"
    assert again.published_at == release.published_at


def test_draft_of_a_day_is_replaced_and_published_one_is_not(settings: Settings) -> None:
    assert make(settings, FIRST, []).release_id == make(settings, FIRST, []).release_id == "learning-2026-10-01-1"
    publish_unseen(settings, learning.find_draft(settings, FIRST))
    assert make(settings, FIRST, []).release_id == "learning-2026-10-01-2"


def test_keeps_seven_and_the_base_of_the_evaluation(settings: Settings) -> None:
    first = publish_unseen(settings, make(settings, FIRST, []))
    folder = store.new_folder(settings, "evaluation", FIRST)
    evaluation = replace(
        first, release_id=folder.name, kind="evaluation", path=folder / "warehouse.duckdb", based_on=first.release_id
    )
    store.save(evaluation)
    store.swap(settings, evaluation)
    for number in range(2, 12):
        publish_unseen(settings, make(settings, FIRST.replace(day=number), []))
    kept = [release.release_id for release in store.list_releases(settings, "learning")]
    assert kept == [f"learning-2026-10-{number:02d}-1" for number in range(11, 4, -1)] + [first.release_id]
    assert not (store.kind_dir(settings, "learning") / "learning-2026-10-02-1").exists()


def test_manifest_comes_back_as_written(settings: Settings) -> None:
    release = replace(
        make(settings, FIRST, []),
        cut_offsets={"learner.activity.v1": {"0": 17}},
        as_of=datetime(2026, 10, 2, 7, tzinfo=UTC),
    )
    store.save(release)
    assert store.get(settings, "learning", release.release_id) == release


def test_standing_of_releases_is_recorded(settings: Settings) -> None:
    publish_unseen(settings, make(settings, FIRST, []))
    row = lake.read(settings, "ops.release").to_pylist()[0]
    assert (row["release_id"], row["event"], row["data_date"]) == ("learning-2026-10-01-1", "published", FIRST)
    assert json.loads(row["cut_offsets"]) == {}


@pytest.mark.parametrize("name", ["../x", "learning-2026-10-01-9", "nonsense"])
def test_unknown_release_is_one_clear_error(settings: Settings, name: str) -> None:
    with pytest.raises(CairnError, match="cairn marts releases"):
        store.get(settings, "learning", name)
