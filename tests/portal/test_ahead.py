"""What every reader asks for is made before she asks, once a release; what was made never stands in for a newer one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from cairn import vega
from portal import pages_pilots
from portal.app import create_app
from releases import store


def test_charts_templates_and_schools_are_made_once_a_release(pages: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []

    def draw(spec: Any) -> str:
        drawn.append(spec)
        return "<svg ></svg>"

    monkeypatch.setattr(vega, "drawn", draw)
    monkeypatch.setattr(pages_pilots.CHARTS, "_made", {})
    app = create_app(pages.settings)
    ahead, portal = app.state.ahead, app.state.portal
    assert ahead.look()
    made, kept = len(drawn), portal.reader.pin().learning.kept
    assert made > 0 and kept.values > 0
    assert not ahead.look(), "nothing is new"
    current = store.current(pages.settings, "learning")
    assert current is not None
    newer = replace(current, release_id=f"{current.release_id[:-1]}8")
    newer = replace(newer, path=current.path.parent.parent / newer.release_id / current.path.name)
    newer.path.parent.mkdir()
    shutil.copyfile(current.path, newer.path)
    with duckdb.connect(str(newer.path)) as connection:
        connection.execute("update mart_school set school_name = 'Renamed School'")
    try:
        store.save(newer)
        store.swap(pages.settings, newer)
        # A page does not wait for what is made ahead.
        names = portal.reader.pin().learning.rows("select distinct school_name from mart_school")
        assert names == [{"school_name": "Renamed School"}]
        assert ahead.look()
        assert len(drawn) == made, "of the same evaluation nothing is drawn again"
    finally:
        store.swap(pages.settings, current)
        shutil.rmtree(newer.path.parent)
    assert ahead.look() and not ahead.look()


def test_what_is_read_ahead_stops_where_there_is_no_more_room(pages: Any) -> None:
    app = create_app(pages.settings)
    kept = app.state.portal.reader.pin().learning.kept
    kept._most = 10
    assert app.state.ahead.look()
    assert kept.values <= 10
