-- A list of everybody is no list: where a quarter is less than one pupil, one.
with first_pupils as (
    select
        needs.school_id,
        count(distinct needs.student_key) as pupils
    from {{ ref('mart_needs_adult') }} as needs
    where needs.is_first
    group by needs.school_id
)

select
    first_pupils.school_id,
    first_pupils.pupils,
    school.pupils as school_pupils
from first_pupils
inner join {{ ref('mart_school') }} as school on first_pupils.school_id = school.school_id
where first_pupils.pupils > greatest(school.pupils * {{ adult_first_pct() }} / 100, 1)
