"""Airflow DAG: rosters and files, fetched where others leave them, every quarter of an hour."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from cairn.settings import settings
from night.command import run_cairn


@dag(
    # run_immediately: a first start shortly after the hour would else run at once, before there is anything to work on.
    schedule=CronTriggerTimetable("*/15 * * * *", timezone=settings().timezone, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["intake", "files"],
    default_args={"owner": "data-engineering", "retries": 0},
    dagrun_timeout=timedelta(hours=2),
    doc_md="""
    ### What
    Looks at every source of the district's `pickup.yaml` (drop folders, SFTP servers, OneRoster services) and loads
    what is new and whole. Without a source it does nothing.

    ### Why
    Rosters and results come when others have them ready; nobody should have to watch for them.

    ### When it fails
    A file or rows of it were refused, or a source could not be read: the log's last lines name source, file, line and
    reason. The other sources were done all the same, and a source that failed has changed nothing.

    ### What to do
    `cairn pickup list` shows how each source stands. Refused files lie in the home under `pickup/SOURCE/quarantine`,
    each with its reason: mend it and drop it again, or `cairn pickup run SOURCE --again` for what still lies at its
    source. A new school year's roster that ends most of what is known: `cairn roster load FILE --allow-mass-end`.
    """,
)
def roster_pickup() -> None:
    """One look."""

    @task
    def pick_up() -> None:
        run_cairn("pickup", "run")

    pick_up()


roster_pickup()
