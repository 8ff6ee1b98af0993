-- Published family: protected here, so that no page, chart or file can show more. It reads the pupils' mart and nothing
-- else: releases/holding.py runs this statement again where it has put a held school's rows of yesterday in there.
with counts as (
    select
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        pair.subject,
        count(*) as pupils,
        round(100.0 * count(*) filter (where pair.state in ('mastered', 'review_due')) / count(*)) as mastered_pct
    from {{ ref('mart_student_competency') }} as pair
    group by all
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
    case
        when coded.pupils < coded.n_min then 'fewer than ' || coded.n_min || ' pupils'
        when coded.mastered_pct <= coded.edge_pct then '<=' || coded.edge_pct
        when coded.mastered_pct >= 100 - coded.edge_pct then '>=' || (100 - coded.edge_pct)
        else cast(cast(coded.mastered_pct as integer) as varchar)
    end as mastered_pct_protected
from coded
