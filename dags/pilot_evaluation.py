"""Airflow DAG: every active pilot, evaluated on a release as soon as it is there."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta

from airflow.sdk import Asset, PartitionedAssetTimetable, TriggerRule, dag, task

LEARNING = Asset("release/learning")
EVALUATION = Asset("release/evaluation")


@dag(
    schedule=PartitionedAssetTimetable(assets=LEARNING),
    catchup=False,
    max_active_runs=1,
    tags=["pilots", "after-release"],
    default_args={"owner": "data-engineering", "retries": 2, "retry_delay": timedelta(minutes=1)},
    dagrun_timeout=timedelta(hours=1),
    doc_md="""
    ### What
    Evaluates each frozen pilot plan on the release that was just published (one mapped task a plan), then publishes
    scorecards and rollout metrics as `release/evaluation`. The data date travels as the partition of the asset.

    ### Why
    The central office decides on pilots by a scorecard that names the release it was made from.

    ### When it fails
    - `active_plans`: the plans cannot be read.
    - `evaluate`: one plan cannot be evaluated (a school that is not in the roster, no outcome yet). The others go on,
      and the published scorecards stay as they were.
    - `publish`: the check before publishing failed. The former evaluation stays in place.

    ### What to do
    `cairn pilots evaluate ID` shows the same message by hand; `cairn pilots check PLAN` tells what a plan lacks. Then
    clear the failed task.
    """,
)
def pilot_evaluation() -> None:
    """Plans, one evaluation each, one publication."""

    @task
    def active_plans() -> list[str]:
        shown = subprocess.run(["cairn", "pilots", "list", "--json"], stdout=subprocess.PIPE, check=True)
        return [plan["pilot_id"] for plan in json.loads(shown.stdout)["pilots"]]

    @task.bash
    def evaluate(pilot_id: str) -> str:
        return f"cairn pilots evaluate {pilot_id}"

    @task.bash(outlets=[EVALUATION], trigger_rule=TriggerRule.NONE_FAILED)
    def publish() -> str:
        return "cairn marts publish --kind evaluation"

    evaluate.expand(pilot_id=active_plans()) >> publish()


pilot_evaluation()
