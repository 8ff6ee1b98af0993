-- Where a pupil is on the data date, or was last.
select
    enrolment.student_key,
    enrolment.school_id,
    least(enrolment.valid_to_date, release.data_date) as until_date
from {{ ref('int_student_enrollment') }} as enrolment
cross join {{ ref('stg_release') }} as release
where enrolment.valid_from_date <= release.data_date
qualify
    row_number() over (
        partition by enrolment.student_key
        order by
            least(enrolment.valid_to_date, release.data_date) desc,
            enrolment.valid_from_date desc,
            enrolment.school_id
    ) = 1
