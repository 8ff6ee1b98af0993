"""Airflow DAG: how far each rollout has come, on a release as soon as it is there."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task

from night.command import run_cairn

LEARNING = Asset("release/learning")


@dag(
    schedule=PartitionedAssetTimetable(assets=LEARNING),
    catchup=False,
    max_active_runs=1,
    tags=["rollout", "after-release"],
    default_args={"owner": "data-engineering", "retries": 2, "retry_delay": timedelta(minutes=1)},
    dagrun_timeout=timedelta(hours=1),
    doc_md="""
    ### What
    Pupils reached, dosage, adults' learning, readiness, support, milestones late, barriers and cost, by pilot, from the
    release that was just published: the report, in the task's log, which names what the district has not sent. It
    publishes nothing; `pilot_evaluation` does, these metrics among it.

    ### Why
    A pilot that did not happen as planned cannot be judged; the central office sees that before it sees effects.

    ### When it fails
    - `report`: there is no learning release, or its marts of the rollout cannot be read.

    ### What to do
    `cairn rollout report` shows the same by hand; `cairn facts load PATH --layout NAME` brings what is missing. Then
    clear the failed task.
    """,
)
def rollout_metrics() -> None:
    """The report."""

    @task
    def report() -> None:
        run_cairn("rollout", "report")

    report()


rollout_metrics()
