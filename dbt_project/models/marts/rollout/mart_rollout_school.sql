with reached as (
    select
        pupil.pilot_id,
        pupil.school_id,
        count(*) as pupils_reached
    from {{ ref('mart_pilot_pupil') }} as pupil
    -- Of those whom the plan counts: with joiners in it the share of pupils reached could be more than all.
    where
        pupil.dosage_minutes > 0
        and not pupil.is_joiner
    group by all
),

milestones as (
    select
        fact.pilot_id,
        fact.school_id,
        count(*) as milestones_planned,
        count(*) filter (where fact.text_value in ('done_on_time', 'done_late')) as milestones_done,
        count(*) filter (
            where
            fact.text_value = 'done_late'
            or (coalesce(fact.text_value, 'open') = 'open' and fact.fact_date < release.data_date)
        ) as milestones_late
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    where fact.fact_type = 'milestone'
    group by all
)

select
    school.pilot_id,
    school.school_id,
    school.school_name,
    school.wave,
    school.pupils_assigned as pupils_planned,
    cast(coalesce(reached.pupils_reached, 0) as integer) as pupils_reached,
    school.dosage_minutes_mean,
    school.dosage_met_share,
    cast(coalesce(milestones.milestones_planned, 0) as integer) as milestones_planned,
    cast(coalesce(milestones.milestones_done, 0) as integer) as milestones_done,
    cast(coalesce(milestones.milestones_late, 0) as integer) as milestones_late,
    school.cost_usd,
    school.cost_usd / nullif(school.pupils_assigned, 0) as cost_per_pupil_usd
from {{ ref('mart_pilot_school') }} as school
left join reached
    on
        school.pilot_id = reached.pilot_id
        and school.school_id = reached.school_id
left join milestones
    on
        school.pilot_id = milestones.pilot_id
        and school.school_id = milestones.school_id
where school.arm = 'treatment'
