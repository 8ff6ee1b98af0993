select distinct
    pupil.subgroup_kind,
    pupil.subgroup
from {{ ref('int_pupil_subgroup') }} as pupil
