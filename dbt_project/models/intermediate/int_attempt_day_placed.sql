-- Work placed in the school and class where the pupil was enrolled on the day of the work.
select
    day.student_key,
    day.competency_id,
    day.work_date,
    coalesce(
        enrolment.school_id, case when claimed.school_id is not null then day.org_id end, person.school_id
    ) as school_id,
    enrolment.class_id,
    case
        when enrolment.school_id is not null then 'enrolment'
        when claimed.school_id is not null then 'claimed'
        else 'person'
    end as placed_by,
    day.attempts,
    day.counted_attempts,
    day.correct,
    day.last_event_at
from {{ ref('stg_attempt_day') }} as day
left join {{ ref('stg_competency') }} as competency on day.competency_id = competency.competency_id
left join {{ ref('int_student_enrollment') }} as enrolment
    on
        day.student_key = enrolment.student_key
        and day.work_date between enrolment.valid_from_date and enrolment.valid_to_date
left join {{ ref('stg_org') }} as claimed on day.org_id = claimed.school_id
left join {{ ref('stg_person') }} as person on day.student_key = person.student_key
qualify
    row_number() over (
        partition by day.student_key, day.competency_id, day.work_date
        order by
            coalesce(enrolment.class_id = day.class_id, false) desc,
            coalesce(enrolment.school_id = day.org_id, false) desc,
            coalesce(lower(trim(enrolment.subject)) = lower(trim(competency.subject)), false) desc,
            enrolment.valid_from_date desc nulls last,
            enrolment.class_id
    ) = 1
