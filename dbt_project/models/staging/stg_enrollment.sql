select
    enrolment.enrollment_id,
    enrolment.student_key,
    enrolment.class_id,
    enrolment.school_id,
    enrolment.role,
    coalesce(enrolment.valid_from_date, date '1900-01-01') as valid_from_date,
    coalesce(enrolment.valid_to_date, date '9999-12-31') as valid_to_date
from {{ source('silver', 'enrollment') }} as enrolment
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('enrolment') }}
    and enrolment.status = 'active'
    -- Who never came has a last day before the first.
    and coalesce(enrolment.valid_from_date <= enrolment.valid_to_date, true)
