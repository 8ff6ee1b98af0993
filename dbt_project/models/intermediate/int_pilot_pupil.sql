-- Pupils of each pilot as assigned, and those who joined one of its schools later; of the plan's grades only.
with plans as (
    select
        plan.pilot_id,
        plan.plan_hash,
        plan.grades,
        plan.class_subjects,
        plan.joiner_rule,
        plan.leaver_rule,
        plan.baseline_from_date,
        plan.baseline_until_date,
        -- Assigned in the summer before the school year: the pupils are those of its first day.
        case
            when
                plan.assigned_date < release.school_year_start_date
                and plan.assigned_date >= release.school_year_start_date - 120
                then release.school_year_start_date
            else plan.assigned_date
        end as reference_date,
        release.data_date
    from {{ ref('stg_pilot_plan') }} as plan
    cross join {{ ref('stg_release') }} as release
),

periods as (
    select
        plans.pilot_id,
        plans.plan_hash,
        plans.grades,
        plans.leaver_rule,
        plans.baseline_from_date,
        plans.reference_date,
        arm.arm,
        arm.wave,
        enrolment.school_id,
        enrolment.student_key,
        enrolment.valid_from_date,
        plans.reference_date between enrolment.valid_from_date and enrolment.valid_to_date as is_there_at_assignment,
        plans.joiner_rule = 'counted_until_baseline_closes'
        and enrolment.valid_from_date <= plans.baseline_until_date as is_there_in_time
    from plans
    inner join {{ ref('stg_pilot_arm') }} as arm
        on
            plans.pilot_id = arm.pilot_id
            and plans.plan_hash = arm.plan_hash
    inner join {{ ref('int_student_enrollment') }} as enrolment
        on
            arm.school_id = enrolment.school_id
            and plans.data_date >= enrolment.valid_from_date
            and plans.reference_date <= enrolment.valid_to_date
    where
        plans.class_subjects is null
        or list_contains(plans.class_subjects, {{ same_name('enrolment.subject') }})
),

assigned as (
    select periods.*
    from periods
    qualify
        row_number() over (
            partition by periods.pilot_id, periods.student_key
            order by
                periods.is_there_at_assignment desc,
                case when periods.is_there_at_assignment then date '1900-01-01' else periods.valid_from_date end,
                periods.valid_from_date desc,
                periods.school_id
        ) = 1
),

-- Rosters settle in the first month; who is promoted or corrected later stays in the grade in which she was assigned.
graded as (
    select
        assigned.pilot_id,
        assigned.student_key,
        version.grade
    from assigned
    inner join {{ ref('stg_person_version') }} as version on assigned.student_key = version.student_key
    qualify
        row_number() over (
            partition by assigned.pilot_id, assigned.student_key
            order by
                case
                    when version.recorded_from < greatest(assigned.reference_date, assigned.valid_from_date) + 31
                        then version.recorded_from
                end desc nulls last,
                version.recorded_from
        ) = 1
)

select
    assigned.pilot_id,
    assigned.plan_hash,
    assigned.arm,
    assigned.wave,
    assigned.school_id,
    assigned.student_key,
    {{ grade_key('graded.grade') }} as grade,
    not assigned.is_there_at_assignment and not assigned.is_there_in_time as is_joiner,
    assigned.reference_date
from assigned
left join graded
    on
        assigned.pilot_id = graded.pilot_id
        and assigned.student_key = graded.student_key
left join {{ ref('int_pupil_last_school') }} as latest on assigned.student_key = latest.student_key
where
    (
        assigned.grades is null
        or list_contains(assigned.grades, {{ grade_key('graded.grade') }})
    )
    and (
        assigned.leaver_rule <> 'left_out_before_baseline'
        or coalesce(latest.until_date >= assigned.baseline_from_date, true)
    )
