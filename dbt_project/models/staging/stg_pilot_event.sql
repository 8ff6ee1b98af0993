-- Work of the sources that a pilot's dosage rule names, since the first day of such a pilot; what was taken back is not
-- there. The dates are literals so that they reach the files; most nights have no such rule and read nothing.
with sources as (
    select distinct unnest(plan.dosage_sources) as source_id
    from {{ ref('stg_pilot_plan') }} as plan
),

voids as (
    select
        void.source_id,
        void.voids_statement_id
    from {{ source('silver', 'learner_activity') }} as void
    where
        void.activity_type = 'void'
        and void.work_date >= {{ dosage_since() }}
        and void.work_date <= {{ data_date() }}
)

select
    activity.event_id,
    activity.source_id,
    activity.subject_key,
    activity.event_time,
    activity.work_date,
    activity.activity_type,
    activity.item_id,
    activity.competency_ids,
    activity.duration_ms
from {{ source('silver', 'learner_activity') }} as activity
left join voids
    on
        activity.source_id = voids.source_id
        and activity.source_statement_id = voids.voids_statement_id
where
    -- A list and not a join: DuckDB takes a table of the lake for one row, and would hold all of it to find few names.
    coalesce(list_contains((select list(sources.source_id) from sources), activity.source_id), false)
    and activity.work_date >= {{ dosage_since() }}
    and activity.work_date <= {{ data_date() }}
    and activity.activity_type <> 'void'
    and voids.voids_statement_id is null
