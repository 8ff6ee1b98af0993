"""Airflow DAG: the schools' feeds at 06:00, from the current release whatever the night did."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from cairn.settings import settings
from night.command import run_cairn


@dag(
    # run_immediately: a first start shortly after the hour would else run at once, before there is anything to work on.
    schedule=CronTriggerTimetable("0 6 * * *", timezone=settings().timezone, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["feeds"],
    default_args={"owner": "data-engineering", "retries": 3, "retry_delay": timedelta(minutes=2)},
    dagrun_timeout=timedelta(hours=1),
    doc_md="""
    ### What
    Writes a folder of files for each school, delivers it encrypted by the ways in feeds.yaml, and hands a mail without
    pupils' names to the mail server.

    ### Why
    School leaders look at 06:10. Yesterday's good answer, labelled as such, beats no answer: this DAG does not wait
    for the night.

    ### When it fails
    - `write`: no release has ever been published, or a school's feed could not be written. The other schools have
      theirs; that one keeps its last, labelled. What was written is delivered and mailed all the same.
    - `deliver`: a school has no key, or its server does not answer. What was delivered is not delivered again.
    - `send`: the mail server does not answer. The files are there; nothing is sent twice.

    ### What to do
    `cairn marts releases` shows the current release; `cairn feeds write`, `cairn feeds deliver` and `cairn feeds send`
    do the same by hand. `cairn feeds receipts` shows who got what, and what failed and why.
    """,
)
def feeds_0600() -> None:
    """Write, then deliver and send."""

    @task
    def write() -> None:
        run_cairn("feeds", "write")

    # What was written goes out also where one school's feed was not.
    @task(trigger_rule="all_done")
    def deliver() -> None:
        run_cairn("feeds", "deliver")

    @task(trigger_rule="all_done")
    def send() -> None:
        run_cairn("feeds", "send")

    write() >> [deliver(), send()]


feeds_0600()
