-- A night's batches are those written since the release of an earlier day read the lake: each counts in one night,
-- however late the night runs.
select
    batch.intake_app_id,
    batch.batch_id,
    batch.written_at > release.books_since_at and batch.written_at <= release.books_until_at as is_of_night
from {{ source('ops', 'intake_batch') }} as batch
cross join {{ ref('stg_release') }} as release
