"""Airflow DAG: is evidence still coming in, every ten minutes."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from cairn.settings import settings
from night.command import run_cairn


@dag(
    # run_immediately: a first start shortly after the hour would else run at once, before there is anything to work on.
    schedule=CronTriggerTimetable("*/10 * * * *", timezone=settings().timezone, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["intake", "watch"],
    default_args={"owner": "data-engineering", "retries": 0},
    dagrun_timeout=timedelta(minutes=9),
    doc_md="""
    ### What
    Looks at how far intake is behind the topic, which sources are silent on a school day, and how much is refused.

    ### Why
    A source that falls silent at nine is found at nine, not by a principal the next morning.

    ### When it fails
    A red run is the alarm: its log names what is late, silent or refused, and since when.

    ### What to do
    `cairn intake watch` shows the same by hand. Lag: `cairn logs intake`. Silence: ask the sender, see
    `cairn source list`. Refusals: `cairn intake ledger`.
    """,
)
def intake_watch() -> None:
    """One look."""

    @task
    def watch() -> None:
        run_cairn("intake", "watch")

    watch()


intake_watch()
