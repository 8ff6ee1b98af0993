with pupils as (
    select
        pupil.pilot_id,
        pupil.school_id,
        count(*) as pupils_assigned,
        count(pupil.baseline_score) as pupils_with_baseline,
        count(pupil.outcome_score) as pupils_with_outcome,
        avg(pupil.baseline_score) as mean_baseline,
        avg(pupil.outcome_score) as mean_outcome,
        avg(pupil.dosage_minutes) as dosage_minutes_mean,
        avg(case when pupil.dosage_minutes >= plan.dosage_minutes_planned then 1.0 else 0.0 end) as dosage_met_share
    from {{ ref('mart_pilot_pupil') }} as pupil
    inner join {{ ref('stg_pilot_plan') }} as plan on pupil.pilot_id = plan.pilot_id
    where not pupil.is_joiner
    group by pupil.pilot_id, pupil.school_id
),

-- What evaluations have to know of the tests themselves: one subject or several, and who was tested outside the days.
tests as (
    select
        score.pilot_id,
        max(score.subjects) as subjects
    from {{ ref('int_pilot_score') }} as score
    group by score.pilot_id
),

outside as (
    select
        pupil.pilot_id,
        pupil.school_id,
        count(*) as pupils_outside_window
    from {{ ref('mart_pilot_pupil') }} as pupil
    inner join {{ ref('int_pilot_score') }} as score
        on
            pupil.pilot_id = score.pilot_id
            and pupil.student_key = score.student_key
    where
        not pupil.is_joiner
        and score.part = 'outcome'
        and score.is_only_outside
    group by pupil.pilot_id, pupil.school_id
),

costs as (
    select
        fact.pilot_id,
        fact.school_id,
        sum(fact.total) filter (where fact.fact_type = 'cost') as cost_usd,
        sum(fact.total) filter (where fact.fact_type = 'licence') as licences
    from {{ ref('int_pilot_fact') }} as fact
    where fact.fact_type in ('cost', 'licence')
    group by fact.pilot_id, fact.school_id
)

select
    arm.pilot_id,
    arm.school_id,
    coalesce(school.school_name, arm.school_id) as school_name,
    arm.arm,
    arm.wave,
    cast(coalesce(pupils.pupils_assigned, 0) as integer) as pupils_assigned,
    cast(coalesce(pupils.pupils_with_baseline, 0) as integer) as pupils_with_baseline,
    cast(coalesce(pupils.pupils_with_outcome, 0) as integer) as pupils_with_outcome,
    pupils.mean_baseline,
    pupils.mean_outcome,
    pupils.dosage_minutes_mean,
    cast(pupils.dosage_met_share as double precision) as dosage_met_share,
    cast(coalesce(costs.cost_usd, 0) as double precision) as cost_usd,
    cast(coalesce(tests.subjects, 0) as integer) as subjects_tested,
    cast(coalesce(outside.pupils_outside_window, 0) as integer) as pupils_outside_window,
    cast(costs.licences as double precision) as licences_bought
from {{ ref('stg_pilot_arm') }} as arm
inner join {{ ref('stg_pilot_plan') }} as plan
    on
        arm.pilot_id = plan.pilot_id
        and arm.plan_hash = plan.plan_hash
left join {{ ref('stg_org') }} as school on arm.school_id = school.school_id
left join pupils
    on
        arm.pilot_id = pupils.pilot_id
        and arm.school_id = pupils.school_id
left join costs
    on
        arm.pilot_id = costs.pilot_id
        and arm.school_id = costs.school_id
left join tests on arm.pilot_id = tests.pilot_id
left join outside
    on
        arm.pilot_id = outside.pilot_id
        and arm.school_id = outside.school_id
