"""A drop folder: a file is taken once, when it is whole; archived, or put aside with its reason."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from cli.main import main
from loading import history
from loading.pickup import places, take
from loading.pickup.run import run_pickup
from loading.pickup.state import PickupState
from loading.pickup.take import kept_until
from tests.loading.pickup.conftest import USERS, Configure, RunPickup, grow, people, put_away, roster_zip, states

ROSTERS = [{"match": "roster*", "load": "roster"}]
COSTS = [{"match": "*.csv", "load": "facts", "layout": "cairn_costs"}]


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def source(drop: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "folder", "path": str(drop), "take": COSTS, "stable_seconds": 0, **more}


def costs(path: Path, *values: object) -> Path:
    """A file of costs, one row a value: the quickest load there is."""
    rows = [f"s{n},reading-companion,2026-09-08,licence,{value},usd" for n, value in enumerate(values)]
    path.write_text("\n".join(["SchoolId,PilotId,Date,Name,Value,Unit", *rows]) + "\n")
    return path


def test_a_file_is_loaded_once_and_archived(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, take=ROSTERS))
    assert pick_up()["drop"].files == []
    roster_zip(drop / "roster.zip")
    (drop / "notes.txt").write_text("nobody asked for this one")
    (drop / "roster-2.zip.part").write_text("not yet whole")
    done = pick_up()["drop"]
    assert (done.state, states(done), people(settings)) == ("done", [("roster.zip", "loaded")], 3)
    assert sorted(path.name for path in drop.iterdir()) == ["notes.txt", "roster-2.zip.part"]
    assert put_away(settings, "drop", "archive") == ["roster.zip"]
    (kept,) = (settings.pickup_dir / "drop" / "archive").iterdir()
    (drop / "roster-again.zip").write_bytes(kept.read_bytes())
    again = pick_up()["drop"]
    assert (again.state, states(again)) == ("done", [("roster-again.zip", "known")])
    assert put_away(settings, "drop", "archive") == ["roster.zip"]
    assert not (drop / "roster-again.zip").exists()


def test_an_older_roster_that_comes_again_is_news(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, take=ROSTERS))
    first = roster_zip(drop / "roster.zip").read_bytes()
    pick_up()
    roster_zip(drop / "roster.zip", USERS[:2])
    pick_up()
    assert people(settings) == 2
    (drop / "roster.zip").write_bytes(first)
    assert states(pick_up()["drop"]) == [("roster.zip", "loaded")]
    assert people(settings) == 3, "whoever left has come back"


def test_a_file_waits_until_it_has_not_changed(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, stable_seconds=60))
    costs(drop / "costs.csv", 5)
    for _ in range(3):
        assert states(pick_up()["drop"]) == [("costs.csv", "waiting")], "it has grown each time"
        grow(drop / "costs.csv")
        _seen_earlier(settings, seconds=100)
    costs(drop / "costs.csv", 6)
    assert states(pick_up()["drop"]) == [("costs.csv", "waiting")]
    _seen_earlier(settings, seconds=100)
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]


def _seen_earlier(settings: Settings, seconds: int) -> None:
    """As if the last looks had been so long ago."""
    with sqlite3.connect(settings.pickup_dir / "state.sqlite") as database:
        for name, seen_at in database.execute("SELECT name, first_seen_at FROM sight").fetchall():
            earlier = datetime.fromisoformat(seen_at) - timedelta(seconds=seconds)
            database.execute("UPDATE sight SET first_seen_at = ? WHERE name = ?", (earlier.isoformat(), name))


def test_a_file_waits_for_its_marker(settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup) -> None:
    configure(drop=source(drop, marker="{name}.done", take=[{**COSTS[0], "match": "*"}]))
    costs(drop / "costs.csv", 5)
    waits = pick_up()["drop"].files
    assert [(file.state, file.reason) for file in waits] == [("waiting", "waits for costs.csv.done")]
    (drop / "costs.csv.done").touch()
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")], "and not the marker itself"
    assert list(drop.iterdir()) == []


def test_a_marker_of_an_earlier_file_says_nothing_of_the_one_written_over_it(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, marker="{name}.done", after="keep", stable_seconds=60))
    costs(drop / "costs.csv", 5)
    marker = drop / "costs.csv.done"
    marker.touch()
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]
    costs(drop / "costs.csv", 5, 6)
    assert states(pick_up()["drop"]) == [("costs.csv", "waiting")], "it may be half of what is to come"
    assert PickupState(settings).waiting("drop") == ["costs.csv"]
    marker.write_text("anew")
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]
    costs(drop / "costs.csv", 5, 6, 7)
    pick_up()
    _seen_earlier(settings, seconds=100)
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")], "nobody need write markers anew"
    costs(drop / "costs.csv", 5, "x")
    marker.write_text("and anew")
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded_in_part")]
    assert states(pick_up(again=True)["drop"]) == [("costs.csv", "loaded_in_part")]


def test_a_file_and_marker_that_are_written_during_the_load_of_the_one_before_are_taken_next(
    drop: Path, configure: Configure, pick_up: RunPickup, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(drop=source(drop, marker="{name}.done"))
    loads = take._LOADERS["facts"]

    def slowly(*given: Any) -> dict[str, Any]:
        monkeypatch.setitem(take._LOADERS, "facts", loads)
        costs(drop / "costs.csv", 5, 6)
        (drop / "costs.csv.done").write_text("anew")
        return loads(*given)

    monkeypatch.setitem(take._LOADERS, "facts", slowly)
    costs(drop / "costs.csv", 5)
    (drop / "costs.csv.done").touch()
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]
    assert list(drop.iterdir()) == []


def test_what_is_refused_is_put_aside_with_its_reason_and_the_next_source_goes_on(
    settings: Settings, drop: Path, tmp_path: Path, configure: Configure, pick_up: RunPickup
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    configure(
        broken=source(drop, take=ROSTERS),
        gone=source(tmp_path / "nowhere"),
        good=source(other, after="keep"),
    )
    (drop / "roster.zip").write_bytes(b"no zip at all")
    costs(other / "costs.csv", 5)
    done = pick_up()
    assert {name: one.state for name, one in done.items()} == {"broken": "refused", "gone": "failed", "good": "done"}
    assert "roster.zip: neither a folder nor a zip file" in done["broken"].message
    assert str(tmp_path) in done["gone"].message and "cannot be looked into" in done["gone"].message
    assert put_away(settings, "broken", "quarantine") == ["roster.zip", "roster.zip.reason.txt"]
    (said,) = (settings.pickup_dir / "broken" / "quarantine").glob("*.txt")
    assert said.read_text().startswith("roster.zip: neither a folder nor a zip file")
    assert (other / "costs.csv").exists()
    assert {name: one.state for name, one in pick_up().items()} == {"broken": "done", "gone": "failed", "good": "done"}


def test_a_refused_file_that_is_dropped_again_as_it_was_is_looked_at_again(
    drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop))
    for _ in range(2):
        costs(drop / "costs.csv", "x")
        os.utime(drop / "costs.csv", (1_790_000_000,) * 2)
        assert states(pick_up()["drop"]) == [("costs.csv", "loaded_in_part")]


def test_refused_rows_turn_a_run_red_and_can_be_accepted(drop: Path, configure: Configure, pick_up: RunPickup) -> None:
    configure(drop=source(drop, after="keep"))
    costs(drop / "costs.csv", 5, "0:45", -3)
    done = pick_up()["drop"]
    assert (done.state, states(done)) == ("refused", [("costs.csv", "loaded_in_part")])
    assert done.message == "costs.csv: 2 rows refused, the rest is loaded"
    assert done.files[0].problems[1] == "costs.csv:4: Value is below 0"
    assert pick_up()["drop"].files == [], "it still lies there and has been dealt with"
    configure(drop=source(drop, after="keep", accept_refusals=True))
    again = pick_up(again=True)["drop"]
    assert (again.state, states(again)) == ("done", [("costs.csv", "loaded")])


def test_a_roster_that_broke_off_is_refused_whole_until_somebody_says_that_it_is_right(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    many = [f"u{n},,,true,user{n},Given{n},Family{n},,s1" for n in range(12)]
    configure(drop=source(drop, after="keep", take=ROSTERS))
    roster_zip(drop / "roster.zip", many)
    pick_up()
    roster_zip(drop / "roster.zip", many[:4])
    refused = pick_up()["drop"]
    assert (
        refused.state == "refused" and "names 4 of 12 rows" in refused.message and "--allow-mass-end" in refused.message
    )
    assert people(settings) == 12
    assert pick_up(again=True, allow_mass_end=True)["drop"].state == "done"
    assert people(settings) == 4


def test_files_come_in_the_order_of_the_rules_and_results_once(
    drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, take=[{**COSTS[0], "match": "z*"}, *COSTS]))
    costs(drop / "z.csv", 1)
    costs(drop / "a.csv", 2)
    assert states(pick_up()["drop"]) == [("z.csv", "loaded"), ("a.csv", "loaded")]
    costs(drop / "z-again.csv", 1)
    assert states(pick_up()["drop"]) == [("z-again.csv", "known")], "an older one adds nothing and changes nothing back"


def test_a_folder_is_a_package_too(settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup) -> None:
    configure(drop=source(drop, take=ROSTERS))
    (drop / "roster-folder").mkdir()
    (drop / "roster-folder" / "orgs.csv").write_text("sourcedId,name,type\ns1,One,school\n")
    (drop / "roster-link").symlink_to(drop / "roster-folder")
    assert states(pick_up()["drop"]) == [("roster-folder", "loaded")]
    assert put_away(settings, "drop", "archive") == ["roster-folder"]
    assert [path.name for path in drop.iterdir()] == ["roster-link"], "a link may lead anywhere: it is left alone"


def test_a_folder_of_very_many_files_is_an_error_only_where_it_is_asked_for(
    drop: Path, configure: Configure, pick_up: RunPickup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST_FILES", 1)
    costs(drop / "costs.csv", 5)
    (drop / "old").mkdir()
    for name in ("a.csv", "b.csv"):
        costs(drop / "old" / name, 5)
    configure(drop=source(drop))
    assert pick_up()["drop"].state == "done"
    configure(drop=source(drop, take=[{"match": "old", "load": "roster"}]))
    failed = pick_up()["drop"]
    assert failed.state == "failed" and "old: more than 1 files in a folder: no package is so large" in failed.message


def test_links_in_a_package_are_left_out_and_its_rights_and_age_stay_behind(
    settings: Settings, drop: Path, tmp_path: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop, take=ROSTERS, after="keep", keep_days=3))
    others = tmp_path / "others"
    others.mkdir()
    (others / "users.csv").write_text("sourcedId,givenName,role\nu1,Given,student\n")
    package = drop / "roster-folder"
    package.mkdir()
    (package / "orgs.csv").write_text("sourcedId,name,type\ns1,One,school\n")
    (package / "users.csv").symlink_to(others / "users.csv")
    (package / "more").symlink_to(others)
    package.chmod(0o500)
    os.utime(package, (time.time() - 30 * 86400,) * 2)
    assert states(pick_up()["drop"]) == [("roster-folder", "loaded")]
    assert pick_up()["drop"].state == "done"
    package.chmod(0o700)
    (kept,) = (settings.pickup_dir / "drop" / "archive").iterdir()
    assert [path.name for path in kept.iterdir()] == ["orgs.csv"]
    assert people(settings) == 0


def test_a_load_that_others_are_at_work_on_is_tried_again(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(drop=source(drop))
    costs(drop / "costs.csv", 5)
    monkeypatch.setattr(history, "WAIT_SECONDS", 0.0)
    with lake.lease(settings, "load-silver.fact") as is_ours:
        assert is_ours
        waits = pick_up()["drop"]
    assert (waits.state, states(waits)) == ("done", [("costs.csv", "waiting")])
    assert states(pick_up()["drop"]) == [("costs.csv", "loaded")]


def test_an_error_that_nobody_foresaw_stops_no_other_source_and_is_raised_in_the_end(
    settings: Settings,
    drop: Path,
    tmp_path: Path,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> dict[str, Any]:
        raise ValueError("a value of a row")

    other = tmp_path / "other"
    other.mkdir()
    configure(first=source(drop, take=[{"match": "*", "load": "resources"}]), second=source(other))
    monkeypatch.setitem(take._LOADERS, "resources", fails)
    (drop / "resources.csv").write_text("x\n")
    costs(other / "costs.csv", 5)
    with pytest.raises(SystemExit) as ended:
        main(["pickup", "run"])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and "second: costs.csv: loaded" in said
    assert "failed: first: ValueError" in said and "error: ValueError: a value of a row" in said
    assert PickupState(settings).of_source("first").message == "ValueError", "what stood in a row is not remembered"
    assert (drop / "resources.csv").exists(), "the next run tries again"


def test_old_files_go(settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup) -> None:
    configure(drop=source(drop, keep_days=3))
    costs(drop / "costs.csv", 5)
    pick_up()
    (kept,) = (settings.pickup_dir / "drop" / "archive").iterdir()
    os.utime(kept, (time.time() - 4 * 86400,) * 2)
    pick_up()
    assert put_away(settings, "drop", "archive") == []


def test_files_that_were_kept_are_known_by_when_they_were_put_away(
    settings: Settings, drop: Path, configure: Configure, pick_up: RunPickup
) -> None:
    configure(drop=source(drop))
    costs(drop / "costs.csv", 5)
    costs(drop / "bad.csv", "x").write_text("nothing of use\n")
    pick_up()
    kept = kept_until(settings, datetime.now(UTC))
    assert sorted(path.parent.name for path in kept) == ["archive", "quarantine", "quarantine"]
    assert kept_until(settings, datetime.now(UTC) - timedelta(minutes=1)) == [], "what comes later stays"


def test_one_run_at_a_time(settings: Settings, drop: Path, configure: Configure) -> None:
    configure(drop=source(drop))
    settings.pickup_dir.mkdir(parents=True)
    with (settings.pickup_dir / "run.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(CairnError, match="another pick-up is running"):
            run_pickup(settings)
