-- Scores of each pilot's pupils in each window of its plan: of the planned test, subject and measure, in its days only.
with results as (
    select
        wanted.pilot_id,
        wanted.window_number,
        wanted.part,
        {{ same_name('wanted.assessment') }} as assessment,
        wanted.subject is not null as names_subject,
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

-- A plan that names no subject, and results of several in all windows of the test: there is no telling which is meant,
-- and one subject before with another after is no growth.
subjects as (
    select
        results.pilot_id,
        results.assessment,
        count(distinct results.subject) as subjects
    from results
    where results.is_inside
    group by all
),

counted as (
    select
        results.*,
        -- A window that names its subject has results of that one only.
        case
            when results.names_subject then least(subjects.subjects, 1)
            else subjects.subjects
        end as subjects
    from results
    left join subjects
        on
            results.pilot_id = subjects.pilot_id
            and results.assessment = subjects.assessment
)

select
    counted.pilot_id,
    counted.window_number,
    counted.part,
    counted.student_key,
    case
        when coalesce(counted.subjects, 0) <= 1
            then {{ newest_score('counted') }} filter (
                where counted.is_inside
            )
    end as score,
    case
        when coalesce(counted.subjects, 0) <= 1
            -- That of the very score: a result that tells none lends none from another day.
            then arg_max_null(
                counted.standard_error, row(counted.taken_date, counted.scale_score, counted.standard_error)
            ) filter (
                where counted.is_inside
            )
    end as standard_error,
    cast(coalesce(counted.subjects, 0) as integer) as subjects,
    not bool_or(counted.is_inside) and bool_or(counted.is_near) as is_only_outside
from counted
group by
    counted.pilot_id,
    counted.window_number,
    counted.part,
    counted.student_key,
    counted.subjects
