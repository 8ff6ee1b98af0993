select
    fact.pilot_id,
    fact.school_id,
    fact.name as cost_kind,
    cast(sum(fact.value) as double precision) as cost_usd,
    -- What the district says of a cost, in the file's column Code; a cost of which nothing is said is in neither.
    cast(
        coalesce(sum(fact.value) filter (where fact.text_value = 'classroom'), 0) as double precision
    ) as classroom_usd,
    cast(coalesce(sum(fact.value) filter (where fact.text_value = 'central'), 0) as double precision) as central_usd
from {{ ref('int_rollout_fact') }} as fact
where fact.fact_type = 'cost'
group by fact.pilot_id, fact.school_id, fact.name
