select
    competency.competency_id,
    coalesce(competency.code, competency.competency_id) as competency_code,
    competency.title as competency_title,
    coalesce(competency.subject, '') as subject,
    coalesce(competency.sequence, 0) as sequence,
    competency.is_leaf,
    -- Between commas, as pupils' grades are compared; a level without commas is one of a list that was not kept.
    case
        when competency.education_level like ',%,'
            then
                ','
                || array_to_string(
                    list_transform(
                        string_split(trim(competency.education_level, ','), ','),
                        lambda grade: {{ grade_key('grade') }}
                    ),
                    ','
                )
                || ','
    end as grades
from {{ source('silver', 'competency') }} as competency
cross join {{ ref('stg_release') }} as release
where {{ known_at('competency') }}
