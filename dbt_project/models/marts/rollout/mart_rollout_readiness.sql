with told as (
    select
        fact.pilot_id,
        fact.school_id,
        fact.name as item,
        fact.fact_date as answered_date,
        fact.text_value as answer
    from {{ ref('int_rollout_fact') }} as fact
    where fact.fact_type = 'readiness'
),

days as (
    select distinct
        told.pilot_id,
        told.school_id,
        told.answered_date as on_date
    from told
)

-- An answer stands until the school gives another.
select
    days.pilot_id,
    days.school_id,
    days.on_date,
    told.item,
    {{ value_of_last('told.answer', 'told.answered_date') }} as answer,
    max(told.answered_date) as answered_date,
    days.on_date = max(days.on_date) over (partition by days.pilot_id, days.school_id) as is_newest
from days
inner join told
    on
        days.pilot_id = told.pilot_id
        and days.school_id = told.school_id
        and days.on_date >= told.answered_date
group by days.pilot_id, days.school_id, days.on_date, told.item
