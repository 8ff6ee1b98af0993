"""Airflow DAG: how far each rollout has come, on a release as soon as it is there."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task

LEARNING = Asset("release/learning")
EVALUATION = Asset("release/evaluation")


@dag(
    schedule=PartitionedAssetTimetable(assets=LEARNING),
    catchup=False,
    max_active_runs=1,
    tags=["rollout", "after-release"],
    default_args={"owner": "data-engineering", "retries": 2, "retry_delay": timedelta(minutes=1)},
    dagrun_timeout=timedelta(hours=1),
    doc_md="""
    ### What
    Pupils reached, dosage, milestones late and cost a pupil, by pilot and school, from the release that was just
    published. Prints the report and publishes it as part of `release/evaluation`.

    ### Why
    A pilot that did not happen as planned cannot be judged; the central office sees that before it sees effects.

    ### When it fails
    - `report`: facts (dosage, costs, milestones) are missing or cannot be read.
    - `publish`: the check before publishing failed. The former evaluation stays in place.

    ### What to do
    `cairn rollout report` shows the same by hand; `cairn facts load PATH --layout NAME` brings what is missing. Then
    clear the failed task.
    """,
)
def rollout_metrics() -> None:
    """The report, then its publication; publishing twice from one release changes nothing."""

    @task.bash
    def report() -> str:
        return "cairn rollout report"

    @task.bash(outlets=[EVALUATION])
    def publish() -> str:
        return "cairn marts publish --kind evaluation"

    report() >> publish()


rollout_metrics()
