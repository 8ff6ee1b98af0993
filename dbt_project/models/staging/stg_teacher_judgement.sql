-- What was said and known by the release's instant, up to the data date. The note stays in the lake: it is free text.
select
    judgement.judgement_id,
    judgement.student_key,
    judgement.competency_id,
    judgement.said,
    judgement.said_date,
    judgement.until_date,
    judgement.reason,
    judgement.role,
    judgement.previous_id,
    judgement.recorded_at
from {{ source('silver', 'teacher_judgement') }} as judgement
cross join {{ ref('stg_release') }} as release
where
    judgement.recorded_at <= release.as_of_at
    and judgement.said_date <= release.data_date
-- One row an id, also where two writers who shared no lock said the same.
qualify row_number() over (partition by judgement.judgement_id order by judgement.recorded_at) = 1
