-- Rules that failed on the data date, by school: its own, and those of sources that send for it.
with failed as (
    select
        gate.gate,
        gate.rule_id,
        gate.scope_type,
        gate.scope_id,
        gate.severity,
        gate.message
    from {{ ref('stg_gate_result') }} as gate
    cross join {{ ref('stg_release') }} as release
    where
        gate.data_date = release.data_date
        and not gate.is_passed
        and gate.severity in ('structural', 'holds_scope')
),

senders as (
    select distinct
        day.source_id,
        day.org_id
    from {{ ref('stg_activity_day') }} as day
)

select
    school.school_id,
    cast(count(*) as integer) as gates_failed,
    bool_or(failed.scope_type = 'school' and failed.severity = 'holds_scope') as is_held_back,
    max(
        case when failed.scope_type = 'school' and failed.severity = 'holds_scope' then failed.message end
    ) as held_reason
from failed
inner join {{ ref('stg_org') }} as school
    on
        failed.scope_type = 'all'
        or (failed.scope_type = 'school' and failed.scope_id = school.school_id)
        or (
            failed.scope_type = 'source'
            and exists (
                select 1
                from senders
                where senders.source_id = failed.scope_id and senders.org_id = school.school_id
            )
        )
group by school.school_id
