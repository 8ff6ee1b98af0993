with reached as (
    select
        pupil.pilot_id,
        pupil.school_id,
        count(*) as pupils_reached
    from {{ ref('int_pilot_reached') }} as pupil
    where pupil.is_reached
    group by pupil.pilot_id, pupil.school_id
),

milestones as (
    select
        milestone.pilot_id,
        milestone.school_id,
        count(*) as milestones_planned,
        count(*) filter (where milestone.status in ('done_on_time', 'done_late')) as milestones_done,
        count(*) filter (where milestone.status in ('done_late', 'overdue')) as milestones_late
    from {{ ref('mart_rollout_milestone') }} as milestone
    group by milestone.pilot_id, milestone.school_id
),

sent as (
    select
        sent.pilot_id,
        coalesce(bool_or(sent.facts > 0) filter (where sent.fact_type = 'dosage'), false) as has_dosage,
        coalesce(bool_or(sent.facts > 0) filter (where sent.fact_type = 'cost'), false) as has_costs,
        coalesce(bool_or(sent.facts > 0) filter (where sent.fact_type = 'milestone'), false) as has_milestones
    from {{ ref('mart_rollout_sent') }} as sent
    group by sent.pilot_id
)

-- Of a pilot for which nothing of a kind was sent nothing is known: empty, never 0.
select
    school.pilot_id,
    school.school_id,
    school.school_name,
    school.wave,
    school.pupils_assigned as pupils_planned,
    cast(case when sent.has_dosage then coalesce(reached.pupils_reached, 0) end as integer) as pupils_reached,
    case when sent.has_dosage then school.dosage_minutes_mean end as dosage_minutes_mean,
    case when sent.has_dosage then school.dosage_met_share end as dosage_met_share,
    cast(case when sent.has_milestones then coalesce(milestones.milestones_planned, 0) end as integer)
        as milestones_planned,
    cast(case when sent.has_milestones then coalesce(milestones.milestones_done, 0) end as integer) as milestones_done,
    cast(case when sent.has_milestones then coalesce(milestones.milestones_late, 0) end as integer) as milestones_late,
    case when sent.has_costs then school.cost_usd end as cost_usd,
    case when sent.has_costs then school.cost_usd / nullif(school.pupils_assigned, 0) end as cost_per_pupil_usd
from {{ ref('mart_pilot_school') }} as school
inner join sent on school.pilot_id = sent.pilot_id
left join reached
    on
        school.pilot_id = reached.pilot_id
        and school.school_id = reached.school_id
left join milestones
    on
        school.pilot_id = milestones.pilot_id
        and school.school_id = milestones.school_id
where school.arm = 'treatment'
