-- What pupils can be planned for. A mart, so that tables over all schools can be counted again over the rows that are
-- published (releases/holding.py), where no working table is left.
select
    competency.competency_id,
    competency.competency_code,
    competency.competency_title,
    competency.subject,
    competency.sequence,
    competency.grades
from {{ ref('stg_competency') }} as competency
left join {{ ref('stg_competency_replaced') }} as gone on competency.competency_id = gone.competency_id
where
    competency.is_leaf
    and gone.competency_id is null
