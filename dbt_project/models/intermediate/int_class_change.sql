-- By day of the work, pairs of the plan that came to be mastered less those that were no longer; what is due for a
-- review is not counted as mastered, as in int_class_progress.
select
    pair.class_id,
    pair.subject,
    decision.decided_date as work_date,
    cast(sum(
        cast(decision.to_state = 'mastered' as integer) - cast(decision.from_state = 'mastered' as integer)
    ) as bigint) as net_pairs
from {{ ref('int_class_pair') }} as pair
inner join {{ ref('stg_mastery_decision') }} as decision
    on
        pair.student_key = decision.student_key
        and pair.competency_id = decision.competency_id
where (decision.to_state = 'mastered') != (decision.from_state = 'mastered')
group by pair.class_id, pair.subject, decision.decided_date
