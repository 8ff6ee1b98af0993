select
    ready.student_key,
    ready.competency_id
from {{ source('gold', 'ready_to_learn') }} as ready
