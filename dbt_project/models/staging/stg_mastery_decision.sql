-- Standing decisions: the newest row of a decision is not its retraction.
select
    decision.decision_id,
    decision.student_key,
    decision.competency_id,
    decision.decided_at,
    cast(decision.decided_at at time zone release.timezone as date) as decided_date,
    decision.from_state,
    decision.to_state,
    decision.counted_attempts,
    decision.model_version,
    decision.policy_version,
    decision.data_date
from {{ source('gold', 'mastery_decision') }} as decision
cross join {{ ref('stg_release') }} as release
where decision.data_date <= release.data_date
qualify
    row_number() over (
        partition by decision.decision_id
        order by
            decision.night desc, decision.data_date desc, decision.recorded_at desc, decision.is_retraction desc
    ) = 1
    and not decision.is_retraction
