select
    fresh.school_id,
    fresh.source_id,
    release.data_date,
    fresh.days_with_work,
    fresh.last_work_date,
    cast(release.data_date - fresh.last_work_date as integer) as days_since_work,
    fresh.last_event_at,
    fresh.is_silent
from {{ ref('int_source_freshness') }} as fresh
inner join {{ ref('stg_org') }} as school on fresh.school_id = school.school_id
cross join {{ ref('stg_release') }} as release
