-- What this night took in: received on the data date or later, and by no earlier night.
with books as (
    select
        book.org_id,
        sum(book.received) as received,
        sum(book.accepted) as accepted,
        sum(book.duplicate) as duplicate,
        sum(book.conflict) as conflict,
        sum(book.rejected) as rejected,
        sum(book.quarantined) as quarantined,
        sum(book.unexplained) as unexplained
    from {{ ref('int_book') }} as book
    cross join {{ ref('stg_release') }} as release
    where
        book.is_of_night
        and book.received_date >= release.data_date
    group by book.org_id
),

activity as (
    select
        day.org_id,
        max(day.last_event_at) as last_event_at,
        sum(case when link.subject_key is null then day.events else 0 end) as unlinked_events
    from {{ ref('stg_activity_day') }} as day
    left join {{ ref('stg_identity_link') }} as link on day.subject_key = link.subject_key
    group by day.org_id
)

select
    school.school_id,
    release.data_date,
    cast(coalesce(books.received, 0) as bigint) as received,
    cast(coalesce(books.accepted, 0) as bigint) as accepted,
    cast(coalesce(books.duplicate, 0) as bigint) as duplicate,
    cast(coalesce(books.conflict, 0) as bigint) as conflict,
    cast(coalesce(books.rejected, 0) as bigint) as rejected,
    cast(coalesce(books.quarantined, 0) as bigint) as quarantined,
    cast(coalesce(books.unexplained, 0) as bigint) as unexplained,
    activity.last_event_at,
    coalesce(silence.silent_sources, 0) as silent_sources,
    silence.silent_source_names,
    coalesce(hold.gates_failed, 0) as gates_failed,
    coalesce(hold.is_held_back, false) as is_held_back,
    cast(coalesce(activity.unlinked_events, 0) as bigint) as unlinked_events
from {{ ref('stg_org') }} as school
cross join {{ ref('stg_release') }} as release
left join books on school.school_id = books.org_id
left join activity on school.school_id = activity.org_id
left join {{ ref('int_source_silence') }} as silence on school.school_id = silence.school_id
left join {{ ref('int_gate_hold') }} as hold on school.school_id = hold.school_id
