-- Minutes of each pilot's pupils by the plan's rule over the event stream, from the day on which their school starts to
-- the pilot's last and up to the data date.
with rules as (
    select
        plan.pilot_id,
        plan.dosage_activity_types,
        plan.dosage_competencies,
        plan.dosage_counts,
        plan.dosage_minutes_per_event_max,
        plan.dosage_minutes_each,
        plan.ends_date,
        unnest(plan.dosage_sources) as source_id
    from {{ ref('stg_pilot_plan') }} as plan
),

-- Items that show one of a rule's competencies, and when.
items as (
    select
        rules.pilot_id,
        alignment.item_id,
        coalesce(alignment.valid_from_date, date '0001-01-01') as first_date,
        coalesce(alignment.valid_to_date, date '9999-12-31') as last_date
    from {{ ref('stg_item_alignment') }} as alignment
    inner join rules on list_contains(rules.dosage_competencies, alignment.competency_id)
),

-- Whose work it was when it was done; wherever the pupil is by now, she counts in the school she was assigned in.
work as (
    select
        rules.pilot_id,
        pupil.student_key,
        event.work_date,
        rules.dosage_counts,
        rules.dosage_minutes_each,
        event.duration_ms,
        least(greatest(event.duration_ms, 0) / 60000.0, rules.dosage_minutes_per_event_max) as minutes
    from rules
    inner join {{ ref('stg_pilot_event') }} as event
        on
            rules.source_id = event.source_id
            and rules.ends_date >= event.work_date
            and list_contains(rules.dosage_activity_types, event.activity_type)
    inner join {{ ref('stg_subject_link') }} as link
        on
            event.subject_key = link.subject_key
            and event.event_time >= link.valid_from
            and (link.valid_to is null or event.event_time < link.valid_to)
    inner join {{ ref('int_pilot_pupil') }} as pupil
        on
            rules.pilot_id = pupil.pilot_id
            and link.student_key = pupil.student_key
    inner join {{ ref('int_pilot_start') }} as school
        on
            pupil.pilot_id = school.pilot_id
            and pupil.school_id = school.school_id
            and event.work_date >= school.starts_date
    where
        rules.dosage_competencies is null
        or list_has_any(event.competency_ids, rules.dosage_competencies)
        or exists (
            select 1
            from items
            where
                items.pilot_id = rules.pilot_id
                and items.item_id = event.item_id
                and event.work_date between items.first_date and items.last_date
        )
)

select
    work.pilot_id,
    work.student_key,
    cast(
        case work.dosage_counts
            when 'minutes' then coalesce(sum(work.minutes), 0)
            when 'attempts' then count(*) * work.dosage_minutes_each
            when 'days' then count(distinct work.work_date) * work.dosage_minutes_each
        end as double
    ) as minutes,
    -- The first day whose work counts at all: a day with no minutes of a rule by minutes does not.
    min(work.work_date) filter (where work.dosage_counts <> 'minutes' or work.minutes > 0) as first_date,
    cast(count(*) as integer) as events,
    cast(count(*) filter (where work.duration_ms is null) as integer) as untimed_events
from work
group by
    work.pilot_id,
    work.student_key,
    work.dosage_counts,
    work.dosage_minutes_each
