"""Airflow DAG: every active pilot, evaluated on a release as soon as it is there."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, PartitionedAssetTimetable, TriggerRule, dag, task

from night.command import as_pilot_id, ask_cairn, run_cairn

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
    Evaluates each frozen pilot plan on the release that was just published (one mapped task a plan, which shows the
    scorecard in its log and writes nothing), then evaluates and publishes all of them and the rollout metrics as
    `release/evaluation`. It is the only DAG that publishes it. The data date travels as the partition of the asset.

    ### Why
    The central office decides on pilots by a scorecard that names the release it was made from.

    ### When it fails
    - `active_plans`: the plans cannot be read.
    - `evaluate`: one plan cannot be evaluated (a school that is not in the roster, no outcome yet). Its mapped task is
      red and its published scorecard says why; the others are published as ever.
    - `publish`: the gate before_evaluation is red, or there is no learning release. The former evaluation stays in
      place.

    ### What to do
    `cairn pilots evaluate ID` shows the same message by hand; `cairn pilots check PLAN` tells what a plan lacks. Then
    clear the failed task and `publish`.
    """,
)
def pilot_evaluation() -> None:
    """Plans, one evaluation each, one publication."""

    @task
    def active_plans() -> list[str]:
        return [as_pilot_id(plan["pilot_id"]) for plan in ask_cairn("pilots", "list")["pilots"]]

    @task
    def evaluate(pilot_id: str) -> None:
        run_cairn("pilots", "evaluate", as_pilot_id(pilot_id))

    # Also after a red evaluation: a pilot that cannot be evaluated stops only itself.
    @task(outlets=[EVALUATION], trigger_rule=TriggerRule.ALL_DONE)
    def publish() -> None:
        run_cairn("marts", "publish", "--kind", "evaluation")

    evaluate.expand(pilot_id=active_plans()) >> publish()


pilot_evaluation()
