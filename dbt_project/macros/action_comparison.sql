{#- Pupils for whom something was done beside comparable pupils, by `by` (a column of mart_action_followup): two CTEs,
    `compared` (a row a pupil) and `comparison` (a row a group), nothing of fewer pupils than may be told of. -#}
{% macro action_comparison(by, since="") -%}
compared as (
    select
        followup.{{ by }},
        followup.student_key,
        avg(cast(followup.next_right as double precision) / followup.next_answers) as share_right,
        avg(followup.comparable_share) as comparable_share,
        avg(cast(followup.next_right as double precision) / followup.next_answers - followup.comparable_share) as difference,
        avg(followup.comparable_error) as comparable_error
    from {{ ref('mart_action_followup') }} as followup
    where followup.comparable_share is not null {{ since }}
    -- Answers of one pupil depend on each other: a pupil counts once, however often something was done.
    group by followup.{{ by }}, followup.student_key
),

comparison as (
    select
        compared.{{ by }},
        count(*) as pupils_compared,
        avg(compared.share_right) as share_right,
        avg(compared.comparable_share) as comparable_share,
        avg(compared.difference) as difference,
        -- Comparable pupils may be the same for many who were helped, so their error is taken as one that no number of
        -- actions makes smaller. Student's t by its expansion around the normal quantile of 95 %.
        sqrt(pow(stddev_samp(compared.difference), 2) / count(*) + pow(avg(compared.comparable_error), 2)) as error,
        1.6449 + 1.5239 / (count(*) - 1) + 1.4202 / pow(count(*) - 1, 2) as quantile
    from compared
    group by compared.{{ by }}
    having count(*) >= greatest({{ smallest_group() }}, 2)
)
{%- endmacro %}
