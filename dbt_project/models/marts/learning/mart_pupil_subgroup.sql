-- A pupil's row by what is most sensitive of her: no page, file or mail shows it. What is published is counted
-- of it (releases/publication_equity.py) and goes through cairn/protection.
select
    pupil.student_key,
    pupil.subgroup_kind,
    pupil.subgroup
from {{ ref('int_pupil_subgroup') }} as pupil
