-- Scores of each pilot's pupils in each window of its plan: of the planned test, subject and measure, in its days only.
with results as (
    select
        wanted.pilot_id,
        wanted.window_number,
        wanted.part,
        pupil.student_key,
        result.scale_score,
        result.standard_error,
        result.taken_date,
        {{ same_name('result.subject') }} as subject,
        coalesce(result.taken_date between wanted.from_date and wanted.until_date, false) as is_inside,
        coalesce(result.taken_date between wanted.near_from_date and wanted.near_until_date, true) as is_near
    from {{ ref('int_pilot_window') }} as wanted
    inner join {{ ref('stg_assessment_result') }} as result
        on {{ is_planned_result('wanted', 'result') }}
    inner join {{ ref('int_pilot_pupil') }} as pupil
        on
            wanted.pilot_id = pupil.pilot_id
            and result.student_key = pupil.student_key
),

-- A plan that names no subject, and results of several: there is no telling which is meant.
subjects as (
    select
        results.pilot_id,
        results.window_number,
        count(distinct results.subject) as subjects
    from results
    where results.is_inside
    group by all
)

select
    results.pilot_id,
    results.window_number,
    results.part,
    results.student_key,
    case
        when coalesce(subjects.subjects, 0) <= 1
            then {{ newest_score('results') }} filter (
                where results.is_inside
            )
    end as score,
    case
        when coalesce(subjects.subjects, 0) <= 1
            -- That of the very score: a result that tells none lends none from another day.
            then arg_max_null(
                results.standard_error, row(results.taken_date, results.scale_score, results.standard_error)
            ) filter (
                where results.is_inside
            )
    end as standard_error,
    cast(coalesce(subjects.subjects, 0) as integer) as subjects,
    not bool_or(results.is_inside) and bool_or(results.is_near) as is_only_outside
from results
left join subjects
    on
        results.pilot_id = subjects.pilot_id
        and results.window_number = subjects.window_number
group by
    results.pilot_id,
    results.window_number,
    results.part,
    results.student_key,
    subjects.subjects
