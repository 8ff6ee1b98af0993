with fates as (
    select
        ledger.received_date,
        ledger.source_id,
        ledger.org_id,
        coalesce(sum(ledger.records) filter (where ledger.fate = 'accepted'), 0) as accepted,
        coalesce(sum(ledger.records) filter (where ledger.fate = 'duplicate'), 0) as duplicate,
        coalesce(sum(ledger.records) filter (where ledger.fate = 'conflict'), 0) as conflict,
        coalesce(sum(ledger.records) filter (where ledger.fate = 'rejected'), 0) as rejected,
        coalesce(sum(ledger.records) filter (where ledger.fate = 'quarantined'), 0) as quarantined
    from {{ ref('stg_intake_ledger') }} as ledger
    group by all
)

select
    coalesce(receipt.received_date, fates.received_date) as received_date,
    coalesce(receipt.source_id, fates.source_id) as source_id,
    coalesce(receipt.org_id, fates.org_id) as org_id,
    cast(coalesce(receipt.received, 0) as bigint) as received,
    cast(coalesce(fates.accepted, 0) as bigint) as accepted,
    cast(coalesce(fates.duplicate, 0) as bigint) as duplicate,
    cast(coalesce(fates.conflict, 0) as bigint) as conflict,
    cast(coalesce(fates.rejected, 0) as bigint) as rejected,
    cast(coalesce(fates.quarantined, 0) as bigint) as quarantined,
    cast(
        coalesce(receipt.received, 0)
        - coalesce(fates.accepted + fates.duplicate + fates.conflict + fates.rejected + fates.quarantined, 0)
        as bigint
    ) as unexplained
from {{ ref('stg_receipt') }} as receipt
full outer join fates
    on
        receipt.received_date = fates.received_date
        and receipt.source_id = fates.source_id
        and receipt.org_id = fates.org_id
