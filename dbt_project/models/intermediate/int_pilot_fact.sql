-- Minutes, costs and licences of each pilot up to the data date.
select
    fact.pilot_id,
    fact.fact_type,
    fact.school_id,
    fact.student_key,
    cast(sum(fact.value) as double) as total
from {{ ref('stg_fact') }} as fact
cross join {{ ref('stg_release') }} as release
where
    fact.fact_type in ('dosage', 'cost', 'licence')
    and fact.fact_date <= release.data_date
group by all
