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
    Looks at how far intake is behind the topic, which sources are silent or send far too much at which school, how much
    is refused, and whether the books balance.

    ### Why
    An app that is silent by half past nine, where it never was at that hour, is found then, not by a principal the
    next morning.

    ### When it fails
    Runs are red while an alarm stands; its log names what is wrong, since when, what was expected and what came. The
    alarm itself is raised once: one mail to the engineers, one when it is over, both in `cairn logs alerts`.

    ### What to do
    `cairn intake watch` shows the same by hand, `cairn intake alarms` what was raised and is over. Each line ends with
    the next command; docs/how-to/intake-alarms.md goes through them.
    """,
)
def intake_watch() -> None:
    """One look."""

    @task
    def watch() -> None:
        run_cairn("intake", "watch")

    watch()


intake_watch()
