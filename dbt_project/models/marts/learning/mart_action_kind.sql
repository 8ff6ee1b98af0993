-- For the central office: protected here, so that no page can show more. It reads the mart of single actions alone:
-- releases/holding.py runs this statement again where it has put a held school's rows of yesterday in there.
with {{ action_comparison('action') }},

every_kind as (
    select
        followup.action,
        count(distinct followup.student_key) as pupils
    from {{ ref('mart_action_followup') }} as followup
    group by followup.action
)

select
    every_kind.action,
    case when every_kind.pupils >= {{ smallest_group() }} then cast(every_kind.pupils as integer) end as pupils,
    cast(comparison.pupils_compared as integer) as pupils_compared,
    {{ rounded('comparison.share_right', 6) }} as share_right,
    {{ rounded('comparison.comparable_share', 6) }} as comparable_share,
    {{ rounded('comparison.difference', 6) }} as difference,
    {{ rounded('(comparison.difference - comparison.quantile * comparison.error)', 6) }} as difference_low,
    {{ rounded('(comparison.difference + comparison.quantile * comparison.error)', 6) }} as difference_high
from every_kind
left join comparison on every_kind.action = comparison.action
