-- Pupils whom their school wants in a group on a competency: the newest word on each, up to the data date.
with said as (
    select
        fact.student_key,
        fact.name as competency_id,
        fact.text_value = 'locked' as is_locked
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    where
        fact.fact_type = 'group_lock'
        and fact.student_key is not null
        and fact.fact_date <= release.data_date
    qualify
        row_number() over (
            partition by fact.student_key, fact.name order by fact.fact_date desc, fact.fact_id desc
        ) = 1
)

select
    said.student_key,
    class.school_id,
    class.class_id,
    said.competency_id
from said
inner join {{ ref('stg_competency') }} as competency on said.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        said.student_key = class.student_key
        and competency.subject = class.subject
where said.is_locked
