with reached as (
    select
        pupil.pilot_id,
        pupil.school_id,
        pupil.student_key,
        pupil.on_date
    from {{ ref('int_pilot_reached') }} as pupil
),

enrolled as (
    select
        reached.pilot_id,
        reached.school_id,
        enrolment.class_id,
        reached.on_date,
        coalesce(
            {{ same_name('enrolment.subject') }} = any(plan.class_subjects),
            {{ same_name('enrolment.subject') }} = {{ same_name('plan.outcome_subject') }},
            false
        ) as is_of_subject
    from reached
    inner join {{ ref('int_pilot_pupil') }} as assigned
        on
            reached.pilot_id = assigned.pilot_id
            and reached.student_key = assigned.student_key
    inner join {{ ref('stg_pilot_plan') }} as plan on reached.pilot_id = plan.pilot_id
    inner join {{ ref('int_student_enrollment') }} as enrolment
        on
            reached.student_key = enrolment.student_key
            and reached.school_id = enrolment.school_id
            and assigned.reference_date between enrolment.valid_from_date and enrolment.valid_to_date
),

-- Classes of the plan's subject; all of them where no class is called as the plan calls it.
of_subject as (
    select
        enrolled.*,
        bool_or(enrolled.is_of_subject) over (partition by enrolled.pilot_id) as has_subject
    from enrolled
),

classes as (
    select
        of_subject.pilot_id,
        of_subject.school_id,
        of_subject.class_id,
        min(of_subject.on_date) as on_date
    from of_subject
    where of_subject.is_of_subject or not of_subject.has_subject
    group by of_subject.pilot_id, of_subject.school_id, of_subject.class_id
),

schools as (
    select
        school.pilot_id,
        school.school_id,
        school.pupils_assigned,
        began.starts_date
    from {{ ref('mart_pilot_school') }} as school
    inner join {{ ref('int_pilot_start') }} as began
        on
            school.pilot_id = began.pilot_id
            and school.school_id = began.school_id
    where school.arm = 'treatment'
),

changes as (
    select
        schools.pilot_id,
        schools.school_id,
        schools.starts_date as on_date,
        1 as schools_planned,
        0 as schools_reached,
        (
            select count(*)
            from classes
            where
                classes.pilot_id = schools.pilot_id
                and classes.school_id = schools.school_id
        ) as classes_planned,
        0 as classes_reached,
        schools.pupils_assigned as pupils_planned,
        0 as pupils_reached
    from schools
    union all
    select
        reached.pilot_id,
        reached.school_id,
        min(reached.on_date) as on_date,
        0 as schools_planned,
        1 as schools_reached,
        0 as classes_planned,
        0 as classes_reached,
        0 as pupils_planned,
        0 as pupils_reached
    from reached
    where reached.on_date is not null
    group by reached.pilot_id, reached.school_id
    union all
    select
        classes.pilot_id,
        classes.school_id,
        classes.on_date,
        0 as schools_planned,
        0 as schools_reached,
        0 as classes_planned,
        count(*) as classes_reached,
        0 as pupils_planned,
        0 as pupils_reached
    from classes
    where classes.on_date is not null
    group by classes.pilot_id, classes.school_id, classes.on_date
    union all
    select
        reached.pilot_id,
        reached.school_id,
        reached.on_date,
        0 as schools_planned,
        0 as schools_reached,
        0 as classes_planned,
        0 as classes_reached,
        0 as pupils_planned,
        count(*) as pupils_reached
    from reached
    where reached.on_date is not null
    group by reached.pilot_id, reached.school_id, reached.on_date
)

select
    changes.pilot_id,
    changes.school_id,
    changes.on_date,
    cast(sum(changes.schools_planned) as integer) as schools_planned,
    cast(sum(changes.schools_reached) as integer) as schools_reached,
    cast(sum(changes.classes_planned) as integer) as classes_planned,
    cast(sum(changes.classes_reached) as integer) as classes_reached,
    cast(sum(changes.pupils_planned) as integer) as pupils_planned,
    cast(sum(changes.pupils_reached) as integer) as pupils_reached
from changes
group by changes.pilot_id, changes.school_id, changes.on_date
