-- Published family: protected here, so that no page, chart or file can show more. It reads other marts and nothing
-- else: releases/holding.py runs this statement again where it has put a held school's rows of yesterday in there.
with planned as (
    -- Divided by the enrolled pupils whose plan holds the competency, whether they have worked on it or not: who has
    -- not begun has not mastered it.
    select
        competency.competency_id,
        competency.competency_code,
        competency.competency_title,
        competency.subject,
        pair.state
    from {{ ref('mart_competency') }} as competency
    inner join {{ ref('mart_pupil_plan') }} as plan
        on {{ plan_holds('plan', 'competency') }}
    left join {{ ref('mart_student_competency') }} as pair
        on
            plan.student_key = pair.student_key
            and competency.competency_id = pair.competency_id
),

counts as (
    select
        planned.competency_id,
        planned.competency_code,
        planned.competency_title,
        planned.subject,
        count(*) as pupils,
        round(100.0 * count(*) filter (where planned.state = 'mastered') / count(*)) as mastered_pct,
        round(100.0 * count(*) filter (where planned.state = 'review_due') / count(*)) as review_due_pct
    from planned
    group by
        planned.competency_id,
        planned.competency_code,
        planned.competency_title,
        planned.subject
),

coded as (
    select
        counts.*,
        {{ smallest_group() }} as n_min,
        case
            when counts.pupils <= 20 then 20
            when counts.pupils <= 40 then 10
            when counts.pupils <= 100 then 5
            when counts.pupils <= 300 then 2
            else 1
        end as edge_pct
    from counts
)

select
    coded.competency_id,
    coded.competency_code,
    coded.competency_title,
    coded.subject,
    case when coded.pupils >= coded.n_min then cast(coded.pupils as integer) end as pupils,
    {{ protected_pct('coded.mastered_pct') }} as mastered_pct_protected,
    {{ protected_pct('coded.review_due_pct') }} as review_due_pct_protected
from coded
