select
    fact.fact_id,
    fact.fact_type,
    fact.school_id,
    fact.student_key,
    fact.pilot_id,
    fact.fact_date,
    fact.name,
    fact.value,
    fact.unit,
    fact.text_value
from {{ source('silver', 'fact') }} as fact
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('fact') }}
    and fact.fact_type in (
        'cost',
        'dosage',
        'licence',
        'milestone',
        'action',
        'group_lock',
        'training',
        'readiness',
        'support',
        'barrier',
        'pupil_group'
    )
