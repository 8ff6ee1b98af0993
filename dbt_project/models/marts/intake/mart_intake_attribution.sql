-- Whose roster what came is counted under: school, class and teacher as they were on the day of the work.
with pupil_day as (
    select
        day.source_id,
        day.org_id,
        day.subject_key,
        day.work_date,
        day.events,
        link.student_key,
        row_number() over (
            partition by day.source_id, day.org_id, day.subject_key, day.work_date
            order by link.valid_from desc nulls last
        ) as place
    from {{ ref('stg_activity_day') }} as day
    left join {{ ref('stg_subject_link') }} as link
        on
            day.subject_key = link.subject_key
            and day.last_event_at >= link.valid_from
            and coalesce(day.last_event_at < link.valid_to, true)
),

-- A pupil has several classes on a day: one of the school that the source claims, one with a teacher, the newest.
placed as (
    select
        pupil_day.source_id,
        pupil_day.org_id,
        pupil_day.work_date,
        pupil_day.events,
        pupil_day.student_key,
        enrolment.school_id,
        enrolment.class_id,
        teacher.class_id is not null as has_teacher,
        row_number() over (
            partition by pupil_day.source_id, pupil_day.org_id, pupil_day.subject_key, pupil_day.work_date
            order by
                coalesce(enrolment.school_id = pupil_day.org_id, false) desc,
                teacher.class_id is not null desc,
                enrolment.valid_from_date desc nulls last,
                enrolment.class_id
        ) as place
    from pupil_day
    left join {{ ref('int_student_enrollment') }} as enrolment
        on
            pupil_day.student_key = enrolment.student_key
            and pupil_day.work_date between enrolment.valid_from_date and enrolment.valid_to_date
    left join {{ ref('stg_enrollment') }} as teacher
        on
            enrolment.class_id = teacher.class_id
            and teacher.role = 'teacher'
            and pupil_day.work_date between teacher.valid_from_date and teacher.valid_to_date
    where pupil_day.place = 1
)

select
    placed.work_date,
    placed.source_id,
    coalesce(placed.school_id, placed.org_id) as org_id,
    cast(sum(placed.events) as bigint) as events,
    cast(coalesce(sum(placed.events) filter (where placed.student_key is null), 0) as bigint) as without_pupil,
    cast(
        coalesce(
            sum(placed.events) filter (where placed.student_key is not null and placed.class_id is null), 0
        ) as bigint
    ) as without_class,
    cast(
        coalesce(sum(placed.events) filter (where placed.class_id is not null and not placed.has_teacher), 0) as bigint
    ) as without_teacher,
    cast(coalesce(sum(placed.events) filter (where placed.has_teacher), 0) as bigint) as attributed
from placed
where placed.place = 1
group by placed.work_date, placed.source_id, coalesce(placed.school_id, placed.org_id)
