-- What of each kind was sent for each pilot up to the data date: nothing sent is no nought.
with kinds as (
    select
        unnest(
            array['dosage', 'cost', 'milestone', 'training', 'readiness', 'support', 'pupil_group', 'barrier']
        ) as fact_type
),

planned_barriers as (
    select
        plan.pilot_id,
        unnest(plan.barriers) as barrier
    from {{ ref('stg_pilot_plan') }} as plan
),

barriers as (
    select distinct
        planned_barriers.pilot_id,
        {{ same_name("(planned_barriers.barrier ->> 'what')") }} as barrier_key
    from planned_barriers
),

told as (
    select
        fact.pilot_id,
        fact.fact_type,
        fact.fact_date,
        -- Of a school where the pilot is not tried, or of a barrier that the plan does not name: no mart counts them,
        -- and the page says so.
        case fact.fact_type
            when 'barrier'
                then barrier.pilot_id is null
            else fact.school_id is not null and school.school_id is null
        end as is_elsewhere
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('stg_pilot_plan') }} as plan on fact.pilot_id = plan.pilot_id
    left join {{ ref('mart_pilot_school') }} as school
        on
            fact.pilot_id = school.pilot_id
            and fact.school_id = school.school_id
            and school.arm = 'treatment'
    left join barriers as barrier
        on
            fact.pilot_id = barrier.pilot_id
            and fact.fact_type = 'barrier'
            and {{ same_name('fact.name') }} = barrier.barrier_key
    where
        (fact.fact_date <= release.data_date or fact.fact_type = 'milestone')
        and (fact.fact_type <> 'dosage' or plan.dosage_source = 'files')
        and fact.fact_type <> 'pupil_group'
),

found as (
    select
        told.pilot_id,
        told.fact_type,
        count(*) filter (where not told.is_elsewhere) as facts,
        count(*) filter (where told.is_elsewhere) as facts_elsewhere,
        min(told.fact_date) filter (where not told.is_elsewhere) as first_date,
        max(told.fact_date) filter (where not told.is_elsewhere) as last_date
    from told
    group by told.pilot_id, told.fact_type
    union all
    -- Groups of pupils are the district's, whatever it pilots.
    select
        reached.pilot_id,
        fact.fact_type,
        count(*) as facts,
        0 as facts_elsewhere,
        min(fact.fact_date) as first_date,
        max(fact.fact_date) as last_date
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('int_pilot_reached') }} as reached on fact.student_key = reached.student_key
    where
        fact.fact_type = 'pupil_group'
        and fact.fact_date <= release.data_date
    group by reached.pilot_id, fact.fact_type
    union all
    select
        dosage.pilot_id,
        'dosage' as fact_type,
        sum(dosage.events) as facts,
        0 as facts_elsewhere,
        min(dosage.first_date) as first_date,
        null as last_date
    from {{ ref('int_pilot_dosage') }} as dosage
    inner join {{ ref('stg_pilot_plan') }} as plan on dosage.pilot_id = plan.pilot_id
    where plan.dosage_source = 'stream'
    group by dosage.pilot_id
)

select
    plan.pilot_id,
    kinds.fact_type,
    case when kinds.fact_type = 'dosage' then plan.dosage_source else 'files' end as sent_by,
    cast(coalesce(found.facts, 0) as integer) as facts,
    cast(coalesce(found.facts_elsewhere, 0) as integer) as facts_elsewhere,
    found.first_date,
    found.last_date
from {{ ref('stg_pilot_plan') }} as plan
cross join kinds
left join found
    on
        plan.pilot_id = found.pilot_id
        and kinds.fact_type = found.fact_type
