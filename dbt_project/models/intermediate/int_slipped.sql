-- Mastery that was lost in the last fortnight.
select
    decision.student_key,
    decision.competency_id,
    max(decision.decided_date) as slipped_date
from {{ ref('stg_mastery_decision') }} as decision
cross join {{ ref('stg_release') }} as release
where
    decision.from_state in ('mastered', 'review_due')
    and decision.to_state = 'developing'
    and decision.decided_date > release.data_date - 14
    and decision.decided_date <= release.data_date
group by all
