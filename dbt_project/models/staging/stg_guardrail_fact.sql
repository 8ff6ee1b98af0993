select
    fact.fact_id,
    fact.fact_type,
    fact.student_key,
    fact.fact_date,
    fact.name,
    fact.value
from {{ source('silver', 'fact') }} as fact
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('fact') }}
    and fact.fact_type in ('attendance', 'survey')
    and fact.student_key is not null
    and fact.fact_date <= release.data_date
