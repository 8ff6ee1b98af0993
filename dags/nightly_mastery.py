"""Airflow DAG: the night, from a cut of the day's evidence to a published release."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import (
    Asset,
    AsyncCallback,
    CronPartitionTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    dag,
    task,
)

from cairn.settings import settings
from night.command import as_day, run_cairn

LEARNING = Asset("release/learning")
ZONE = settings().timezone

# The data date: the run's partition, else the one given by hand, else the day before the run in the district's zone.
DATA_DATE = """{{ partition_key or params.data_date
    or (dag_run.run_after.astimezone(zone(zone_name)) - macros.timedelta(days=1)).strftime("%Y-%m-%d") }}"""


@dag(
    # 02:00 survives the change of clocks: 01:59 and 03:00 are followed by it, whichever hour is skipped or repeated.
    # run_immediately: a first start shortly after the hour would else run at once, before there is anything to work on.
    schedule=CronPartitionTimetable(
        "0 2 * * *", timezone=ZONE, run_offset=-1, key_format="%Y-%m-%d", run_immediately=timedelta(0)
    ),
    catchup=False,
    max_active_runs=1,
    tags=["nightly", "mastery"],
    default_args={"owner": "data-engineering", "retries": 2, "retry_delay": timedelta(minutes=1)},
    dagrun_timeout=timedelta(hours=3, minutes=30),
    # Begun at 02:00, it must be done before feeds_0600 looks.
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=3),
        callback=AsyncCallback("infra.alerts.run_is_late", kwargs={"advice": "see 'cairn night status'"}),
    ),
    params={"data_date": Param(None, type=["null", "string"], format="date", description="the district's day")},
    user_defined_macros={"zone": ZoneInfo, "zone_name": ZONE},
    doc_md="""
    ### What
    The night of one data date (the partition, a day of the district): cut the evidence, check it, bring mastery up to
    date, build the marts aside, check those, and swap the new release in. Ends with the asset `release/learning`.

    ### Why
    Schools read at 06:10 who needs an adult and who moves on. Nothing is shown that has not passed its gates.

    ### When it fails
    - `cut`: intake does not get to the end of what was received. See `cairn status` and `cairn logs intake`.
    - `assess`: a structural gate is red, or Spark failed. A gate red for one school holds back that school only.
    - `build`: a model or a test failed, or the audit of the file that would be published, held schools and all. The
      release of yesterday stays in place.
    - `publish`: the swap failed. Nothing is half published.
    - any of them, with "another night is running" or "was overtaken": a night was started by hand meanwhile. One night
      at a time: wait for it, then run this one from the start.
    - Not done in three hours: `cairn logs alerts` has a line.

    ### What to do
    `cairn night status --date D` says where it stopped and why; `cairn night resume` goes on from there, and so does
    clearing the failed task here. Every task may be run again for the same date. By hand: trigger with a partition key
    or with `data_date`.
    """,
)
def nightly_mastery() -> None:
    """Four tasks over `cairn night run`: the gates and mastery share one Spark session, a task each would not."""

    @task
    def cut(data_date: str) -> None:
        run_cairn("night", "run", "--date", as_day(data_date), "--only", "cut")

    @task
    def assess(data_date: str) -> None:
        run_cairn("night", "run", "--date", as_day(data_date), "--only", "gate_intake,mastery,gate_mastery")

    @task
    def build(data_date: str) -> None:
        run_cairn("night", "run", "--date", as_day(data_date), "--only", "marts,gate_marts")

    @task(outlets=[LEARNING])
    def publish(data_date: str, *, partition_key: str | None = None, outlet_events: Any = None) -> None:
        day = as_day(data_date)
        run_cairn("night", "run", "--date", day, "--only", "publish")
        # A run by hand may have no partition: the release still says of which day it is.
        if not partition_key:
            outlet_events[LEARNING].add_partitions(day)

    cut(DATA_DATE) >> assess(DATA_DATE) >> build(DATA_DATE) >> publish(DATA_DATE)


nightly_mastery()
