-- The first day of the change at each school of a pilot: its wave's; written here and nowhere else.
select
    arm.pilot_id,
    arm.school_id,
    coalesce(
        case when arm.arm = 'treatment' then cast(plan.wave_starts[arm.wave] as date) end, plan.starts_date
    ) as starts_date
from {{ ref('stg_pilot_arm') }} as arm
inner join {{ ref('stg_pilot_plan') }} as plan
    on
        arm.pilot_id = plan.pilot_id
        and arm.plan_hash = plan.plan_hash
