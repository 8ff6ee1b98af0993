select
    alignment.item_id,
    alignment.competency_id,
    alignment.valid_from_date,
    alignment.valid_to_date
from {{ source('silver', 'item_alignment') }} as alignment
cross join {{ ref('stg_release') }} as release
where {{ known_at('alignment') }}
