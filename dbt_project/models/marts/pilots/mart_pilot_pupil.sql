with scores as (
    select
        score.pilot_id,
        score.student_key,
        max(score.score) filter (where score.part = 'baseline') as baseline_score,
        max(score.score) filter (where score.part = 'outcome') as outcome_score
    from {{ ref('int_pilot_score') }} as score
    group by all
),

dosage as (
    select
        fact.pilot_id,
        fact.student_key,
        sum(fact.total) as dosage_minutes
    from {{ ref('int_pilot_fact') }} as fact
    where fact.fact_type = 'dosage'
    group by all
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
    cast(coalesce(dosage.dosage_minutes, 0) as double) as dosage_minutes
from {{ ref('int_pilot_pupil') }} as pupil
left join {{ ref('int_pupil_last_school') }} as latest on pupil.student_key = latest.student_key
left join scores
    on
        pupil.pilot_id = scores.pilot_id
        and pupil.student_key = scores.student_key
left join dosage
    on
        pupil.pilot_id = dosage.pilot_id
        and pupil.student_key = dosage.student_key
