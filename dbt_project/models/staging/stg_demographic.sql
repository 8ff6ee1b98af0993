select
    demographic.student_key,
    demographic.sex,
    demographic.race_ethnicity,
    demographic.is_english_learner,
    demographic.is_special_education,
    demographic.is_economically_disadvantaged
from {{ source('silver', 'demographic') }} as demographic
cross join {{ ref('stg_release') }} as release
where {{ known_at('demographic') }}
