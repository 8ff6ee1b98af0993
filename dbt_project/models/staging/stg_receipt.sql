select
    receipt.received_date,
    receipt.source_id,
    receipt.org_id,
    cast(sum(receipt.statements_received) as bigint) as received
from {{ source('bronze', 'receipts') }} as receipt
-- Only whole batches: one that is being written would look like a hole in the books.
inner join {{ ref('stg_intake_batch') }} as batch
    on
        receipt.intake_app_id = batch.intake_app_id
        and receipt.batch_id = batch.batch_id
group by all
