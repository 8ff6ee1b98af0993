-- Sources that fell silent for a school.
select
    school_id,
    cast(count(*) as integer) as silent_sources,
    string_agg(source_id, ', ' order by source_id) as silent_source_names
from {{ ref('int_source_freshness') }}
where is_silent
group by school_id
