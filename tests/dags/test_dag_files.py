"""Every file in dags/ gives a DAG that says what it is, and the night has the tasks that it should."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import UsageError
from cairn.settings import REPOSITORY, Settings

pytestmark = pytest.mark.airflow
FILES = sorted((REPOSITORY / "dags").glob("*.py"))
PARTS_OF_DOC = ("### What", "### Why", "### When it fails", "### What to do")


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """dag_id -> DAG, as Airflow itself finds them (files it skips in silence are missing here)."""
    import os

    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_every_file_gives_the_dag_of_its_name(dags: dict[str, Any]) -> None:
    assert sorted(dags) == [path.stem for path in FILES]
    assert {dag_id: Path(dag.fileloc).name for dag_id, dag in dags.items()} == {p.stem: p.name for p in FILES}


@pytest.mark.parametrize("dag_id", [path.stem for path in FILES])
def test_a_dag_says_what_it_is_and_who_owns_it(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert [part for part in PARTS_OF_DOC if part not in dag.doc_md] == []
    assert dag.tags and not dag.catchup and dag.max_active_runs == 1
    assert {task.owner for task in dag.tasks} == {"data-engineering"}


def test_the_night_is_four_tasks_in_a_row_that_end_with_the_release(dags: dict[str, Any]) -> None:
    night = dags["nightly_mastery"]
    order = ["cut", "assess", "build", "publish"]
    assert [task.task_id for task in night.topological_sort()] == order
    assert [sorted(night.get_task(task).downstream_task_ids) for task in order] == [
        ["assess"],
        ["build"],
        ["publish"],
        [],
    ]
    assert [asset.name for asset in night.get_task("publish").outlets] == ["release/learning"]


@pytest.mark.parametrize("dag_id", ["pilot_evaluation", "rollout_metrics"])
def test_what_follows_a_release_is_started_by_it_and_keeps_its_data_date(dags: dict[str, Any], dag_id: str) -> None:
    from airflow.sdk import PartitionedAssetTimetable

    timetable = dags[dag_id].timetable
    assert isinstance(timetable, PartitionedAssetTimetable)
    assert timetable.asset_condition.name == "release/learning"


@pytest.mark.parametrize("task_id", ["cut", "assess", "build", "publish"])
def test_a_hostile_partition_key_runs_nothing(
    dags: dict[str, Any], task_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "home"))
    made = tmp_path / "made"
    task = dags["nightly_mastery"].get_task(task_id)
    with pytest.raises(UsageError, match="is no date"):
        task.python_callable(f"2026-10-14; touch {made}")
    assert not made.exists()
    assert not (tmp_path / "home").exists()


def test_no_task_is_a_line_for_a_shell(dags: dict[str, Any]) -> None:
    assert [t.task_id for dag in dags.values() for t in dag.tasks if hasattr(t, "bash_command")] == []


def test_only_one_dag_publishes_the_evaluation_and_a_red_pilot_does_not_stop_it(dags: dict[str, Any]) -> None:
    outlets = {
        (dag_id, task.task_id)
        for dag_id, dag in dags.items()
        for task in dag.tasks
        if "release/evaluation" in [asset.name for asset in task.outlets]
    }
    assert outlets == {("pilot_evaluation", "publish")}
    assert dags["pilot_evaluation"].get_task("publish").trigger_rule.value == "all_done"


def test_feeds_go_out_also_where_one_could_not_be_written(dags: dict[str, Any]) -> None:
    feeds = dags["feeds_0600"]
    assert feeds.get_task("write").downstream_task_ids == {"deliver", "send"}
    assert {feeds.get_task(task).trigger_rule.value for task in ("deliver", "send")} == {"all_done"}


def test_the_night_works_on_the_day_before(dags: dict[str, Any]) -> None:
    timetable = dags["nightly_mastery"].timetable
    assert (timetable.expression, timetable.run_offset, timetable.key_format) == ("0 2 * * *", -1, "%Y-%m-%d")


def test_a_first_start_after_the_hour_does_not_run_at_once(dags: dict[str, Any]) -> None:
    """Airflow runs what is less than a tenth of its period late, unless told otherwise: a night at 04:00."""
    for dag_id in ("nightly_mastery", "feeds_0600", "intake_watch", "roster_pickup"):
        assert dags[dag_id].timetable.run_immediately == timedelta(0), dag_id


def test_a_late_night_says_so_where_a_person_looks(dags: dict[str, Any], settings: Settings) -> None:
    from airflow.sdk.module_loading import import_string

    (alert,) = dags["nightly_mastery"].deadline
    callback = import_string(alert.callback.path)
    late = callback(**alert.callback.kwargs, context={"dag_run": {"dag_id": "nightly_mastery", "dag_run_id": "x"}})
    # In a thread of its own: playwright keeps a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, late).result()
    assert "LATE nightly_mastery (x) missed its deadline" in (settings.logs_dir / "alerts.log").read_text()
