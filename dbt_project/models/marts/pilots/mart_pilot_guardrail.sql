-- Guardrails of each pilot by school: of pupils as assigned, since their school started and before where known.
-- A school whose wave has not begun is not treated yet and no comparison school either: it is left out of both arms.
with planned as (
    select
        plan.pilot_id,
        least(plan.ends_date, release.data_date) as until_date,
        release.data_date,
        unnest(plan.guardrails) as guardrail
    from {{ ref('stg_pilot_plan') }} as plan
    cross join {{ ref('stg_release') }} as release
),

guardrails as (
    select
        planned.pilot_id,
        planned.until_date,
        planned.data_date,
        planned.guardrail ->> 'name' as guardrail,
        coalesce(planned.guardrail ->> 'source', 'assessment') as source,
        planned.guardrail ->> 'assessment' as assessment,
        planned.guardrail ->> 'window' as window_name,
        planned.guardrail ->> 'measure' as measure,
        planned.guardrail ->> 'subject' as subject,
        coalesce(planned.guardrail ->> 'question', 'absent') as fact_name
    from planned
),

pupils as (
    select
        pupil.pilot_id,
        pupil.school_id,
        pupil.arm,
        pupil.student_key,
        pupil.grade,
        school.starts_date
    from {{ ref('mart_pilot_pupil') }} as pupil
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('int_pilot_start') }} as school
        on
            pupil.pilot_id = school.pilot_id
            and pupil.school_id = school.school_id
    where
        not pupil.is_joiner
        and school.starts_date <= release.data_date
),

scores as (
    select
        guardrails.pilot_id,
        guardrails.guardrail,
        pupils.school_id,
        pupils.arm,
        pupils.grade,
        pupils.student_key,
        min({{ same_name('result.subject') }}) as first_subject,
        max({{ same_name('result.subject') }}) as last_subject,
        {{ newest_score('result') }} as score
    from guardrails
    inner join {{ ref('stg_assessment_result') }} as result
        on
            {{ is_planned_result('guardrails', 'result') }}
            and guardrails.data_date >= result.taken_date
    inner join pupils
        on
            guardrails.pilot_id = pupils.pilot_id
            and result.student_key = pupils.student_key
            and result.taken_date >= pupils.starts_date
    where guardrails.source = 'assessment'
    group by
        guardrails.pilot_id,
        guardrails.guardrail,
        pupils.school_id,
        pupils.arm,
        pupils.grade,
        pupils.student_key
),

-- Within a grade, by the comparison arm's mean and standard deviation: scores of a vertical scale cannot be pooled.
scores_in_grade as (
    select
        scores.pilot_id,
        scores.guardrail,
        scores.school_id,
        min(scores.first_subject) over (partition by scores.pilot_id, scores.guardrail) as first_subject,
        max(scores.last_subject) over (partition by scores.pilot_id, scores.guardrail) as last_subject,
        (
            scores.score
            - avg(scores.score) filter (where scores.arm = 'comparison') over (
                partition by scores.pilot_id, scores.guardrail, scores.grade
            )
        )
        / nullif(
            stddev_samp(scores.score) filter (where scores.arm = 'comparison') over (
                partition by scores.pilot_id, scores.guardrail, scores.grade
            ),
            0
        ) as value
    from scores
),

standard_scores as (
    select scores_in_grade.*
    from scores_in_grade
    -- A guardrail that names no subject, and results of several: there is no telling which is meant.
    where scores_in_grade.first_subject is not distinct from scores_in_grade.last_subject
),

facts as (
    select
        guardrails.pilot_id,
        guardrails.guardrail,
        pupils.school_id,
        pupils.student_key,
        fact.value,
        fact.fact_date >= pupils.starts_date as is_since
    from guardrails
    inner join {{ ref('stg_guardrail_fact') }} as fact
        on
            guardrails.source = fact.fact_type
            and {{ same_name('guardrails.fact_name') }} = {{ same_name('fact.name') }}
            and guardrails.until_date >= fact.fact_date
    inner join pupils
        on
            guardrails.pilot_id = pupils.pilot_id
            and fact.student_key = pupils.student_key
            -- Absences of two months before the start; the last survey before it may be a year old.
            and pupils.starts_date - case guardrails.source when 'survey' then 400 else 60 end <= fact.fact_date
),

-- Absences: a school without any has none where others have some, and is not known where nobody has.
absences as (
    select
        guardrails.pilot_id,
        guardrails.guardrail,
        pupils.school_id,
        30.0 * coalesce(sum(facts.value) filter (where facts.is_since), 0)
        / (count(distinct pupils.student_key) * (guardrails.until_date - pupils.starts_date + 1)) as value,
        30.0 * coalesce(sum(facts.value) filter (where not facts.is_since), 0)
        / (count(distinct pupils.student_key) * 60) as value_before,
        count(distinct pupils.student_key) as people,
        count(*) filter (where facts.is_since) as rows_since,
        count(*) filter (where not facts.is_since) as rows_before
    from guardrails
    inner join pupils on guardrails.pilot_id = pupils.pilot_id
    left join facts
        on
            guardrails.pilot_id = facts.pilot_id
            and guardrails.guardrail = facts.guardrail
            and pupils.student_key = facts.student_key
    where
        guardrails.source = 'attendance'
        and guardrails.until_date >= pupils.starts_date
    group by
        guardrails.pilot_id,
        guardrails.guardrail,
        pupils.school_id,
        pupils.starts_date,
        guardrails.until_date
),

known_absences as (
    select
        absences.*,
        sum(absences.rows_since) over (partition by absences.pilot_id, absences.guardrail) as all_rows_since,
        sum(absences.rows_before) over (partition by absences.pilot_id, absences.guardrail) as all_rows_before
    from absences
),

measured as (
    select
        standard_scores.pilot_id,
        standard_scores.guardrail,
        standard_scores.school_id,
        avg(standard_scores.value) as value,
        cast(null as double precision) as value_before,
        count(standard_scores.value) as people
    from standard_scores
    group by standard_scores.pilot_id, standard_scores.guardrail, standard_scores.school_id
    union all
    select
        known_absences.pilot_id,
        known_absences.guardrail,
        known_absences.school_id,
        known_absences.value,
        case when known_absences.all_rows_before > 0 then known_absences.value_before end as value_before,
        known_absences.people
    from known_absences
    where known_absences.all_rows_since > 0
    union all
    select
        facts.pilot_id,
        facts.guardrail,
        facts.school_id,
        avg(facts.value) filter (where facts.is_since) as value,
        avg(facts.value) filter (where not facts.is_since) as value_before,
        count(distinct facts.student_key) filter (where facts.is_since) as people
    from facts
    inner join guardrails
        on
            facts.pilot_id = guardrails.pilot_id
            and facts.guardrail = guardrails.guardrail
    where guardrails.source = 'survey'
    group by facts.pilot_id, facts.guardrail, facts.school_id
)

select
    arm.pilot_id,
    measured.guardrail,
    arm.school_id,
    arm.arm,
    cast(measured.value as double precision) as value,
    cast(measured.value_before as double precision) as value_before,
    cast(measured.people as integer) as people
from {{ ref('stg_pilot_arm') }} as arm
inner join {{ ref('stg_pilot_plan') }} as plan
    on
        arm.pilot_id = plan.pilot_id
        and arm.plan_hash = plan.plan_hash
inner join measured
    on
        arm.pilot_id = measured.pilot_id
        and arm.school_id = measured.school_id
where measured.value is not null
