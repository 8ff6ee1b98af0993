select
    pupil.school_id,
    standing.student_key,
    standing.competency_id,
    competency.competency_code,
    competency.competency_title,
    competency.subject,
    standing.state,
    standing.expected_share,
    standing.share_low,
    standing.share_high,
    standing.carried_from_id as from_competency_id,
    coalesce(origin.competency_code, standing.carried_from_id) as from_competency_code,
    standing.carried_by as relation,
    standing.carried_discount as discount,
    standing.state_since_at
from {{ ref('int_pupil_standing') }} as standing
inner join {{ ref('stg_competency') }} as competency on standing.competency_id = competency.competency_id
inner join {{ ref('int_pupil') }} as pupil on standing.student_key = pupil.student_key
left join {{ ref('stg_competency') }} as origin on standing.carried_from_id = origin.competency_id
where standing.carried_from_id is not null
