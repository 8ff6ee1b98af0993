-- Pupils of each pilot as assigned, and those who joined one of its schools later.
with plans as (
    select
        plan.pilot_id,
        plan.plan_hash,
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
        plans.reference_date,
        plans.data_date,
        arm.arm,
        arm.wave,
        enrolment.school_id,
        enrolment.student_key,
        enrolment.valid_from_date,
        enrolment.valid_to_date,
        plans.reference_date between enrolment.valid_from_date and enrolment.valid_to_date as is_there_at_assignment
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
)

select
    periods.pilot_id,
    periods.plan_hash,
    periods.arm,
    periods.wave,
    periods.school_id,
    periods.student_key,
    not periods.is_there_at_assignment as is_joiner,
    periods.reference_date
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
