-- The books, line by line: what was received, by receipts, and what became of it, by rows of the lake. Accepted is
-- counted from silver itself, so that a row lost there is missed; duplicates leave no row and are intake's own count,
-- and so are rows of people who were erased since.
-- The same lines as spark_jobs/intake_ledger.py counts. The dates are literals so that they reach the files.
with lines as (
    select
        receipt.received_date,
        receipt.source_id,
        receipt.org_id,
        receipt.intake_app_id,
        receipt.batch_id,
        'received' as fate,
        receipt.statements_received as records
    from {{ source('bronze', 'receipts') }} as receipt
    where receipt.received_date >= {{ data_date() }} - {{ books_days() }}

    union all

    select
        activity.received_date,
        activity.source_id,
        coalesce(nullif(activity.org_id, ''), 'unknown') as org_id,
        activity.intake_app_id,
        activity.batch_id,
        'accepted' as fate,
        1 as records
    from {{ source('silver', 'learner_activity') }} as activity
    where activity.received_date >= {{ data_date() }} - {{ books_days() }}

    union all

    select
        quarantine.received_date,
        quarantine.source_id,
        quarantine.org_id,
        quarantine.intake_app_id,
        quarantine.batch_id,
        quarantine.fate,
        1 as records
    from {{ source('silver', 'activity_quarantine') }} as quarantine
    where quarantine.received_date >= {{ data_date() }} - {{ books_days() }}

    union all

    select
        rejected.received_date,
        rejected.source_id,
        rejected.org_id,
        rejected.intake_app_id,
        rejected.batch_id,
        'rejected' as fate,
        1 as records
    from {{ source('bronze', 'rejected') }} as rejected
    where rejected.received_date >= {{ data_date() }} - {{ books_days() }}

    union all

    select
        counted.received_date,
        counted.source_id,
        counted.org_id,
        counted.intake_app_id,
        counted.batch_id,
        counted.fate,
        counted.records
    from {{ source('ops', 'intake_ledger') }} as counted
    where
        counted.fate = 'duplicate'
        and counted.received_date >= {{ data_date() }} - {{ books_days() }}

    union all

    select
        erased.received_date,
        erased.source_id,
        erased.org_id,
        erased.intake_app_id,
        erased.batch_id,
        erased.fate,
        erased.records
    from {{ source('ops', 'erasure') }} as erased
    where
        erased.fate <> 'none'
        and erased.received_date >= {{ data_date() }} - {{ books_days() }}
)

select
    lines.received_date,
    lines.source_id,
    lines.org_id,
    batch.is_of_night,
    lines.fate,
    cast(sum(lines.records) as bigint) as records
from lines
-- Only whole batches: one that is being written would look like a hole in the books.
inner join {{ ref('stg_intake_batch') }} as batch
    on
        lines.intake_app_id = batch.intake_app_id
        and lines.batch_id = batch.batch_id
group by all
