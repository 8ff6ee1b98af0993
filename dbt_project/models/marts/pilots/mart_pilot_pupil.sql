with scores as (
    select
        score.pilot_id,
        score.student_key,
        max(score.score) filter (where score.part = 'baseline') as baseline_score,
        max(score.score) filter (where score.part = 'outcome') as outcome_score,
        max(score.standard_error) filter (where score.part = 'baseline') as baseline_standard_error
    from {{ ref('int_pilot_score') }} as score
    group by score.pilot_id, score.student_key
),

files as (
    select
        fact.pilot_id,
        fact.student_key,
        sum(fact.total) as minutes
    from {{ ref('int_pilot_fact') }} as fact
    where fact.fact_type = 'dosage'
    group by fact.pilot_id, fact.student_key
)

select
    pupil.pilot_id,
    pupil.plan_hash,
    pupil.arm,
    pupil.wave,
    pupil.school_id,
    pupil.student_key,
    pupil.grade,
    scores.baseline_score,
    scores.outcome_score,
    pupil.is_joiner,
    coalesce(latest.school_id <> pupil.school_id, false) as has_moved_school,
    cast(
        coalesce(case plan.dosage_source when 'stream' then stream.minutes else files.minutes end, 0)
        as double precision
    ) as dosage_minutes,
    plan.dosage_source,
    -- Without a rule nothing is known of the stream; with one, who is not in it did nothing.
    cast(case when plan.dosage_sources is not null then coalesce(stream.minutes, 0) end as double precision)
        as dosage_minutes_stream,
    cast(files.minutes as double precision) as dosage_minutes_file,
    cast(case when plan.dosage_sources is not null then coalesce(stream.events, 0) end as integer) as dosage_events,
    cast(case when plan.dosage_sources is not null then coalesce(stream.untimed_events, 0) end as integer)
        as dosage_events_untimed,
    case when latest.school_id <> pupil.school_id then other_school.arm end as moved_to_arm,
    cast(scores.baseline_standard_error as double precision) as baseline_standard_error
from {{ ref('int_pilot_pupil') }} as pupil
inner join {{ ref('stg_pilot_plan') }} as plan on pupil.pilot_id = plan.pilot_id
left join {{ ref('int_pupil_last_school') }} as latest on pupil.student_key = latest.student_key
left join {{ ref('stg_pilot_arm') }} as other_school
    on
        pupil.pilot_id = other_school.pilot_id
        and pupil.plan_hash = other_school.plan_hash
        and latest.school_id = other_school.school_id
left join scores
    on
        pupil.pilot_id = scores.pilot_id
        and pupil.student_key = scores.student_key
left join files
    on
        pupil.pilot_id = files.pilot_id
        and pupil.student_key = files.student_key
left join {{ ref('int_pilot_dosage') }} as stream
    on
        pupil.pilot_id = stream.pilot_id
        and pupil.student_key = stream.student_key
