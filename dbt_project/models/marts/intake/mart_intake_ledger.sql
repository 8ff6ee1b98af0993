select
    book.received_date,
    book.source_id,
    book.org_id,
    cast(sum(book.received) as bigint) as received,
    cast(sum(book.accepted) as bigint) as accepted,
    cast(sum(book.duplicate) as bigint) as duplicate,
    cast(sum(book.conflict) as bigint) as conflict,
    cast(sum(book.rejected) as bigint) as rejected,
    cast(sum(book.quarantined) as bigint) as quarantined,
    cast(sum(book.unexplained) as bigint) as unexplained
from {{ ref('int_book') }} as book
group by book.received_date, book.source_id, book.org_id
