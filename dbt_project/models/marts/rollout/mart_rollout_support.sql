select
    fact.pilot_id,
    fact.school_id,
    fact.name as support_kind,
    cast(count(*) as integer) as visits,
    cast(sum(fact.value) as double precision) as hours,
    min(fact.fact_date) as first_date,
    max(fact.fact_date) as last_date
from {{ ref('int_rollout_fact') }} as fact
where fact.fact_type = 'support'
group by fact.pilot_id, fact.school_id, fact.name
