"""Airflow DAG: once a week, is there a better model for mastery, and is nothing worse with it?"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from cairn.settings import settings
from night.command import run_cairn


@dag(
    # Sunday at noon: no night runs then, and Monday's shows what changed.
    # run_immediately: a first start shortly after the hour would else run at once, before there is anything to work on.
    schedule=CronTriggerTimetable("0 12 * * 0", timezone=settings().timezone, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["mastery", "weekly"],
    default_args={"owner": "data-engineering", "retries": 1, "retry_delay": timedelta(minutes=10)},
    dagrun_timeout=timedelta(hours=3),
    doc_md="""
    ### What
    Fits the district's share model anew (a challenger), holds it against the one in use, subject by subject, and puts
    it to use where no subject got worse: log-loss, the promise at the call of mastery, false mastery between groups of
    pupils.

    ### Why
    The model of September is wrong in March, and a new one must not quietly make mastery cheaper for anybody.

    ### When it fails
    - `fit`: no night has run yet, a night is running, or the district has not enough evidence.
    - `trial`: the lake cannot be read; nothing is promoted then. Where the fit found nothing new, it says so and ends.

    ### What to do
    `cairn mastery trials` shows what was tried and why it was not promoted. `cairn mastery promote VERSION --force WHY`
    decides otherwise, `cairn mastery rollback --reason WHY` goes back; the next night restates every pair.
    """,
)
def mastery_calibration() -> None:
    """Fit, then trial."""

    @task
    def fit() -> None:
        run_cairn("mastery", "fit")

    @task
    def trial() -> None:
        run_cairn("mastery", "trial", "--promote")

    fit() >> trial()


mastery_calibration()
