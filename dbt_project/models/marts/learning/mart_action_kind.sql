-- For the central office: protected here, so that no page can show more. It reads the mart of single actions alone:
-- releases/holding.py runs this statement again where it has put a held school's rows of yesterday in there.
with compared as (
    select
        followup.action,
        followup.student_key,
        avg(followup.next_right / followup.next_answers) as share_right,
        avg(followup.comparable_share) as comparable_share,
        avg(followup.next_right / followup.next_answers - followup.comparable_share) as difference,
        avg(followup.comparable_error) as comparable_error
    from {{ ref('mart_action_followup') }} as followup
    where followup.comparable_share is not null
    -- Answers of one pupil depend on each other: a pupil counts once, however often something was done.
    group by all
),

kinds as (
    select
        compared.action,
        count(*) as pupils_compared,
        avg(compared.share_right) as share_right,
        avg(compared.comparable_share) as comparable_share,
        avg(compared.difference) as difference,
        -- Comparable pupils may be the same for many who were helped, so their error is taken as one that no number of
        -- actions makes smaller. Student's t by its expansion around the normal quantile of 95 %.
        sqrt(pow(stddev_samp(compared.difference), 2) / count(*) + pow(avg(compared.comparable_error), 2)) as error,
        1.6449 + 1.5239 / (count(*) - 1) + 1.4202 / pow(count(*) - 1, 2) as quantile
    from compared
    group by compared.action
    having count(*) >= greatest({{ smallest_group() }}, 2)
),

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
    cast(kinds.pupils_compared as integer) as pupils_compared,
    round(kinds.share_right, 6) as share_right,
    round(kinds.comparable_share, 6) as comparable_share,
    round(kinds.difference, 6) as difference,
    round(kinds.difference - kinds.quantile * kinds.error, 6) as difference_low,
    round(kinds.difference + kinds.quantile * kinds.error, 6) as difference_high
from every_kind
left join kinds on every_kind.action = kinds.action
