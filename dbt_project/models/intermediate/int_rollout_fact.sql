-- What districts send of a rollout, as its marts count it: of treated schools, up to the data date.
select
    fact.fact_id,
    fact.fact_type,
    fact.pilot_id,
    fact.school_id,
    fact.fact_date,
    fact.name,
    fact.value,
    fact.unit,
    fact.text_value
from {{ ref('stg_fact') }} as fact
cross join {{ ref('stg_release') }} as release
inner join {{ ref('mart_pilot_school') }} as school
    on
        fact.pilot_id = school.pilot_id
        and fact.school_id = school.school_id
where
    fact.fact_type in ('cost', 'training', 'readiness', 'support')
    and school.arm = 'treatment'
    and fact.fact_date <= release.data_date
