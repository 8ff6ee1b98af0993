-- What nobody reported of a pupil is a subgroup of its own: of each kind the subgroups add up to all pupils.
with pupils as (
    select
        pupil.student_key,
        pupil.grade,
        demographic.sex,
        demographic.race_ethnicity,
        demographic.is_english_learner,
        demographic.is_special_education,
        demographic.is_economically_disadvantaged
    from {{ ref('int_pupil') }} as pupil
    left join {{ ref('stg_demographic') }} as demographic on pupil.student_key = demographic.student_key
)

select
    pupils.student_key,
    'grade' as subgroup_kind,
    coalesce({{ grade_key('pupils.grade') }}, 'not reported') as subgroup
from pupils
{% for kind in ['sex', 'race_ethnicity'] %}
    union all
    select
        pupils.student_key,
        '{{ kind }}' as subgroup_kind,
        coalesce(pupils.{{ kind }}, 'not reported') as subgroup
    from pupils
{% endfor %}
{% for kind in ['english_learner', 'special_education', 'economically_disadvantaged'] %}
    union all
    select
        pupils.student_key,
        '{{ kind }}' as subgroup_kind,
        case pupils.is_{{ kind }} when true then 'yes' when false then 'no' else 'not reported' end as subgroup
    from pupils
{% endfor %}
