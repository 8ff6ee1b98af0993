-- The books, a column a fate; what is left over is unexplained.
with counts as (
    select
        line.received_date,
        line.source_id,
        line.org_id,
        line.is_of_night,
        cast(coalesce(sum(line.records) filter (where line.fate = 'received'), 0) as bigint) as received,
        cast(coalesce(sum(line.records) filter (where line.fate = 'accepted'), 0) as bigint) as accepted,
        cast(coalesce(sum(line.records) filter (where line.fate = 'duplicate'), 0) as bigint) as duplicate,
        cast(coalesce(sum(line.records) filter (where line.fate = 'conflict'), 0) as bigint) as conflict,
        cast(coalesce(sum(line.records) filter (where line.fate = 'rejected'), 0) as bigint) as rejected,
        cast(coalesce(sum(line.records) filter (where line.fate = 'quarantined'), 0) as bigint) as quarantined
    from {{ ref('stg_book_line') }} as line
    group by all
)

select
    counts.*,
    counts.received
    - (counts.accepted + counts.duplicate + counts.conflict + counts.rejected + counts.quarantined) as unexplained
from counts
