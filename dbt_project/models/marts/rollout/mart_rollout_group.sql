-- Planned and reached pupils by group: grade, where they began, and the groups that the district sends.
with thirds as (
    select
        pupil.pilot_id,
        pupil.school_id,
        pupil.is_reached,
        case
            when pupil.baseline_score is null then 'no score'
            -- Within a grade; pupils of one score are in one third.
            when percent_rank() over grades < 1.0 / 3 then 'lowest third'
            when percent_rank() over grades < 2.0 / 3 then 'middle third'
            else 'highest third'
        end as third
    from {{ ref('int_pilot_reached') }} as pupil
    window grades as (
        partition by pupil.pilot_id, pupil.grade, pupil.baseline_score is null
        order by pupil.baseline_score
    )
),

sent as (
    select
        fact.student_key,
        -- A grouping of the district's that is called as one of ours is another one: its pupils are not ours again.
        case
            when {{ same_name('fact.name') }} in ('grade', 'score at the start') then fact.name || ' (as sent)'
            else fact.name
        end as grouping_name,
        fact.text_value,
        fact.fact_date
    from {{ ref('stg_fact') }} as fact
    where fact.fact_type = 'pupil_group'
),

told as (
    select
        sent.student_key,
        sent.grouping_name,
        {{ value_of_last('sent.text_value', 'sent.fact_date') }} as group_name
    from sent
    cross join {{ ref('stg_release') }} as release
    where sent.fact_date <= release.data_date
    group by sent.student_key, sent.grouping_name
),

groupings as (
    select distinct
        reached.pilot_id,
        told.grouping_name
    from {{ ref('int_pilot_reached') }} as reached
    inner join told on reached.student_key = told.student_key
),

members as (
    select
        pupil.pilot_id,
        pupil.school_id,
        'grade' as grouping_name,
        coalesce(pupil.grade, 'not known') as group_name,
        pupil.is_reached
    from {{ ref('int_pilot_reached') }} as pupil
    union all
    select
        thirds.pilot_id,
        thirds.school_id,
        'score at the start' as grouping_name,
        thirds.third as group_name,
        thirds.is_reached
    from thirds
    union all
    select
        pupil.pilot_id,
        pupil.school_id,
        groupings.grouping_name,
        coalesce(told.group_name, 'not told') as group_name,
        pupil.is_reached
    from {{ ref('int_pilot_reached') }} as pupil
    inner join groupings on pupil.pilot_id = groupings.pilot_id
    left join told
        on
            pupil.student_key = told.student_key
            and groupings.grouping_name = told.grouping_name
)

select
    members.pilot_id,
    members.school_id,
    members.grouping_name,
    members.group_name,
    cast(count(*) as integer) as pupils_planned,
    cast(count(*) filter (where members.is_reached) as integer) as pupils_reached
from members
group by members.pilot_id, members.school_id, members.grouping_name, members.group_name
