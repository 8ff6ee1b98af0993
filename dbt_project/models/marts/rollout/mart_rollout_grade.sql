select
    pupil.pilot_id,
    pupil.school_id,
    coalesce(pupil.grade, 'not known') as grade,
    cast(count(*) as integer) as pupils_planned,
    cast(count(*) filter (where pupil.dosage_minutes > 0) as integer) as pupils_reached
from {{ ref('mart_pilot_pupil') }} as pupil
where
    pupil.arm = 'treatment'
    and not pupil.is_joiner
group by pupil.pilot_id, pupil.school_id, coalesce(pupil.grade, 'not known')
