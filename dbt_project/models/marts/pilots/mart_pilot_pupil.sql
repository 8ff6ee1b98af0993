-- Thirty days either side of the planned window: make-up tests count, another year's window of the same name does not.
with scores as (
    select
        plan.pilot_id,
        result.student_key,
        arg_max(result.scale_score, result.taken_date) filter (
            where
            result.assessment = plan.baseline_assessment
            and result.window_name = plan.baseline_window
            and result.measure = plan.baseline_measure
            and coalesce(result.subject = plan.baseline_subject, true)
            and coalesce(result.taken_date >= plan.baseline_from_date - 30, true)
            and coalesce(result.taken_date <= plan.baseline_to_date + 30, true)
        ) as baseline_score,
        arg_max(result.scale_score, result.taken_date) filter (
            where
            result.assessment = plan.outcome_assessment
            and result.window_name = plan.outcome_window
            and result.measure = plan.outcome_measure
            and coalesce(result.subject = plan.outcome_subject, true)
            and coalesce(result.taken_date >= plan.outcome_from_date - 30, true)
            and coalesce(result.taken_date <= plan.outcome_to_date + 30, true)
        ) as outcome_score
    from {{ ref('stg_pilot_plan') }} as plan
    cross join {{ ref('stg_assessment_result') }} as result
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
    person.grade,
    scores.baseline_score,
    scores.outcome_score,
    pupil.is_joiner,
    coalesce(latest.school_id <> pupil.school_id, false) as has_moved_school,
    cast(coalesce(dosage.dosage_minutes, 0) as double) as dosage_minutes
from {{ ref('int_pilot_pupil') }} as pupil
left join {{ ref('stg_person') }} as person on pupil.student_key = person.student_key
left join {{ ref('int_pupil_last_school') }} as latest on pupil.student_key = latest.student_key
left join scores
    on
        pupil.pilot_id = scores.pilot_id
        and pupil.student_key = scores.student_key
left join dosage
    on
        pupil.pilot_id = dosage.pilot_id
        and pupil.student_key = dosage.student_key
