-- Scores of each pilot's pupils before and after: of the planned test, subject and measure, in the planned days only.
with wanted as (
    {% for part in ['baseline', 'outcome'] %}
        select
            plan.pilot_id,
            '{{ part }}' as part,
            plan.{{ part }}_assessment as assessment,
            plan.{{ part }}_window as window_name,
            plan.{{ part }}_measure as measure,
            plan.{{ part }}_subject as subject,
            plan.{{ part }}_from_date as from_date,
            plan.{{ part }}_until_date as until_date
        from {{ ref('stg_pilot_plan') }} as plan
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

results as (
    select
        wanted.pilot_id,
        wanted.part,
        pupil.student_key,
        result.scale_score,
        result.standard_error,
        result.taken_date,
        {{ same_name('result.subject') }} as subject,
        coalesce(result.taken_date between wanted.from_date and wanted.until_date, false) as is_inside,
        -- Of this year's window: that of another year is no test outside this one.
        coalesce(result.taken_date between wanted.from_date - 90 and wanted.until_date + 90, true) as is_near
    from wanted
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
        results.part,
        count(distinct results.subject) as subjects
    from results
    where results.is_inside
    group by all
)

select
    results.pilot_id,
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
        and results.part = subjects.part
group by
    results.pilot_id,
    results.part,
    results.student_key,
    subjects.subjects
