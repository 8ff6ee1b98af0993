-- Grades in the order of school years; what is no grade that anybody knows stands at the end.
with grades as (
    select distinct plan.grade
    from {{ ref('mart_pupil_plan') }} as plan
    where plan.grade is not null
)

select
    grades.grade,
    case
        when grades.grade = 'PK' then -2
        when grades.grade = 'TK' then -1
        when grades.grade = 'K' then 0
        when regexp_replace(grades.grade, '^[0-9]+$', '') = '' then cast(grades.grade as integer)
        else 99
    end as grade_order
from grades
