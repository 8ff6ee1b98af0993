with told as (
    select
        fact.pilot_id,
        fact.school_id,
        fact.name as item,
        fact.fact_date as answered_date,
        fact.text_value as answer
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('mart_pilot_school') }} as school
        on
            fact.pilot_id = school.pilot_id
            and fact.school_id = school.school_id
    where
        fact.fact_type = 'readiness'
        and school.arm = 'treatment'
        and fact.fact_date <= release.data_date
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
    arg_max(told.answer, told.answered_date) as answer,
    max(told.answered_date) as answered_date,
    days.on_date = max(days.on_date) over (partition by days.pilot_id, days.school_id) as is_newest
from days
inner join told
    on
        days.pilot_id = told.pilot_id
        and days.school_id = told.school_id
        and days.on_date >= told.answered_date
group by days.pilot_id, days.school_id, days.on_date, told.item
