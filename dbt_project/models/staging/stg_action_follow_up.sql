-- Made for this very data date, before the marts (releases/action_follow_up.py).
select
    follow_up.student_key,
    follow_up.competency_id,
    follow_up.action_date,
    follow_up.action,
    follow_up.answers,
    follow_up.answers_right,
    follow_up.comparables,
    follow_up.comparable_share,
    follow_up.comparable_low,
    follow_up.comparable_high,
    follow_up.comparable_error
from {{ source('gold', 'action_follow_up') }} as follow_up
cross join {{ ref('stg_release') }} as release
where follow_up.data_date = release.data_date
