-- Whom a pilot is to reach and since when she is reached: what "reached" means is said here and nowhere else.
with pupils as (
    select
        pupil.pilot_id,
        pupil.school_id,
        pupil.student_key,
        pupil.grade,
        pupil.baseline_score,
        pupil.dosage_minutes > 0 as is_reached
    from {{ ref('mart_pilot_pupil') }} as pupil
    where
        pupil.arm = 'treatment'
        and not pupil.is_joiner
),

-- The day a pupil first worked, by what the plan counts; minutes without a day are of the day on which they are known.
worked as (
    select
        fact.pilot_id,
        fact.student_key,
        min(fact.fact_date) as on_date
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('stg_pilot_plan') }} as plan on fact.pilot_id = plan.pilot_id
    where
        fact.fact_type = 'dosage'
        and plan.dosage_source = 'files'
        and fact.value > 0
        and fact.fact_date <= release.data_date
    group by all
    union all
    select
        dosage.pilot_id,
        dosage.student_key,
        dosage.first_date as on_date
    from {{ ref('int_pilot_dosage') }} as dosage
    inner join {{ ref('stg_pilot_plan') }} as plan on dosage.pilot_id = plan.pilot_id
    where plan.dosage_source = 'stream'
)

select
    pupils.pilot_id,
    pupils.school_id,
    pupils.student_key,
    pupils.grade,
    pupils.baseline_score,
    pupils.is_reached,
    case when pupils.is_reached then coalesce(worked.on_date, release.data_date) end as on_date
from pupils
cross join {{ ref('stg_release') }} as release
left join worked
    on
        pupils.pilot_id = worked.pilot_id
        and pupils.student_key = worked.student_key
