-- The newest frozen plan of each pilot, its analysis part as columns.
select
    plan.pilot_id,
    plan.plan_hash,
    plan.title,
    plan.frozen_at,
    cast(
        coalesce(
            json_extract_string(plan.plan_json, '$.analysis.assignment.assigned_on'),
            json_extract_string(plan.plan_json, '$.analysis.assigned_date')
        ) as date
    ) as assigned_date,
    json_extract_string(plan.plan_json, '$.analysis.baseline.assessment') as baseline_assessment,
    json_extract_string(plan.plan_json, '$.analysis.baseline.window') as baseline_window,
    json_extract_string(plan.plan_json, '$.analysis.baseline.measure') as baseline_measure,
    json_extract_string(plan.plan_json, '$.analysis.baseline.subject') as baseline_subject,
    cast(json_extract_string(plan.plan_json, '$.analysis.baseline.from_date') as date) as baseline_from_date,
    cast(json_extract_string(plan.plan_json, '$.analysis.baseline.to_date') as date) as baseline_to_date,
    json_extract_string(plan.plan_json, '$.analysis.outcome.assessment') as outcome_assessment,
    json_extract_string(plan.plan_json, '$.analysis.outcome.window') as outcome_window,
    json_extract_string(plan.plan_json, '$.analysis.outcome.measure') as outcome_measure,
    json_extract_string(plan.plan_json, '$.analysis.outcome.subject') as outcome_subject,
    cast(json_extract_string(plan.plan_json, '$.analysis.outcome.from_date') as date) as outcome_from_date,
    cast(json_extract_string(plan.plan_json, '$.analysis.outcome.to_date') as date) as outcome_to_date,
    cast(json_extract_string(plan.plan_json, '$.implementation.dosage_minutes_planned') as double)
        as dosage_minutes_planned
from {{ source('gold', 'pilot_plan') }} as plan
qualify row_number() over (partition by plan.pilot_id order by plan.frozen_at desc, plan.plan_hash desc) = 1
