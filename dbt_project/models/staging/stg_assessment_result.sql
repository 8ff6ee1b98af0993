select
    result.student_key,
    result.assessment,
    result.subject,
    result.window_name,
    result.measure,
    result.taken_date,
    result.scale_score,
    result.standard_error
from {{ source('silver', 'assessment_result') }} as result
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('result') }}
    and result.scale_score is not null
    and not coalesce(result.is_rapid_guess, false)
    and coalesce(result.taken_date, release.data_date) <= release.data_date
