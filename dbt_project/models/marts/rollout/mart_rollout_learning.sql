-- What the adults of each role are to learn for a pilot (its plan), and how many have shown it (training facts).
with roles as (
    select
        plan.pilot_id,
        unnest(plan.adult_learning) as role_plan
    from {{ ref('stg_pilot_plan') }} as plan
),

planned as (
    select
        roles.pilot_id,
        roles.role_plan ->> 'role' as adult_role,
        {{ unnest_texts("roles.role_plan -> 'competencies'") }} as competency
    from roles
),

-- The newest count of each up to the data date.
told as (
    select
        fact.pilot_id,
        fact.school_id,
        {{ same_name('fact.text_value') }} as role_key,
        {{ same_name('fact.name') }} as competency_key,
        min(fact.text_value) as adult_role,
        min(fact.name) as competency,
        {{ value_of_last('fact.value', 'fact.fact_date', "fact.unit = 'adults_to_learn'") }} as adults_to_learn,
        {{ value_of_last('fact.value', 'fact.fact_date', "fact.unit = 'adults_shown'") }} as adults_shown,
        max(fact.fact_date) as told_date
    from {{ ref('int_rollout_fact') }} as fact
    where fact.fact_type = 'training'
    group by
        fact.pilot_id,
        fact.school_id,
        {{ same_name('fact.text_value') }},
        {{ same_name('fact.name') }}
),

wanted as (
    select
        planned.pilot_id,
        school.school_id,
        planned.adult_role,
        planned.competency
    from planned
    inner join {{ ref('mart_pilot_school') }} as school on planned.pilot_id = school.pilot_id
    where school.arm = 'treatment'
)

select
    coalesce(wanted.pilot_id, told.pilot_id) as pilot_id,
    coalesce(wanted.school_id, told.school_id) as school_id,
    coalesce(wanted.adult_role, told.adult_role) as adult_role,
    coalesce(wanted.competency, told.competency) as competency,
    wanted.pilot_id is not null as is_planned,
    case
        when told.adults_to_learn is null or told.adults_shown is null then 'not_sent'
        when told.adults_shown > told.adults_to_learn then 'contradicts'
        else 'told'
    end as status,
    cast(told.adults_to_learn as integer) as adults_to_learn,
    cast(told.adults_shown as integer) as adults_shown,
    told.told_date
from wanted
full join told
    on
        wanted.pilot_id = told.pilot_id
        and wanted.school_id = told.school_id
        and {{ same_name('wanted.adult_role') }} = told.role_key
        and {{ same_name('wanted.competency') }} = told.competency_key
