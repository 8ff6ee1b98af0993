-- Assessment windows of each pilot in the plan's order: the baseline's, those between, the outcome's.
with named as (
    {% for part in ['baseline', 'outcome'] %}
        select
            plan.pilot_id,
            '{{ part }}' as part,
            {{ '1' if part == 'baseline' else '2 + coalesce(len(plan.between_windows), 0)' }} as window_number,
            plan.{{ part }}_assessment as assessment,
            plan.{{ part }}_window as window_name,
            plan.{{ part }}_measure as measure,
            plan.{{ part }}_subject as subject,
            plan.{{ part }}_from_date as from_date,
            plan.{{ part }}_until_date as until_date
        from {{ ref('stg_pilot_plan') }} as plan
        union all
    {% endfor %}
    select
        numbered.pilot_id,
        'between' as part,
        1 + numbered.place as window_number,
        numbered.test ->> '$.assessment' as assessment,
        numbered.test ->> '$.window' as window_name,
        numbered.test ->> '$.measure' as measure,
        coalesce(numbered.test ->> '$.subject', numbered.subject) as subject,
        cast(numbered.test ->> '$.from_date' as date) as from_date,
        {{ last_test_day('numbered.test') }} as until_date
    from (
        select
            plan.pilot_id,
            plan.subject,
            unnest(plan.between_windows) as test,
            generate_subscripts(plan.between_windows, 1) as place
        from {{ ref('stg_pilot_plan') }} as plan
    ) as numbered
),

neighbours as (
    select
        named.*,
        lag(named.until_date) over same_name_before as earlier_until_date,
        lead(named.from_date) over same_name_before as later_from_date
    from named
    window
        same_name_before as (
            partition by named.pilot_id, {{ same_name('named.assessment') }}, named.window_name
            order by named.from_date
        )
)

select
    neighbours.pilot_id,
    cast(neighbours.window_number as integer) as window_number,
    neighbours.part,
    neighbours.assessment,
    neighbours.window_name,
    neighbours.measure,
    neighbours.subject,
    neighbours.from_date,
    neighbours.until_date,
    -- Of this year's window, and of no other of the plan that has the same name: a test there is not outside this one.
    greatest(neighbours.from_date - 90, neighbours.earlier_until_date + 1) as near_from_date,
    least(neighbours.until_date + 90, neighbours.later_from_date - 1) as near_until_date
from neighbours
