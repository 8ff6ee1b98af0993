select
    batch.intake_app_id,
    batch.batch_id
from {{ source('ops', 'intake_batch') }} as batch
