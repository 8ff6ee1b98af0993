select
    ledger.received_date,
    ledger.source_id,
    ledger.org_id,
    ledger.fate,
    cast(sum(ledger.records) as bigint) as records
from {{ source('ops', 'intake_ledger') }} as ledger
inner join {{ ref('stg_intake_batch') }} as batch
    on
        ledger.intake_app_id = batch.intake_app_id
        and ledger.batch_id = batch.batch_id
group by all
