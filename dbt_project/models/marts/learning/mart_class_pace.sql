select
    progress.school_id,
    progress.class_id,
    progress.class_title,
    progress.subject,
    cast(progress.pupils as integer) as pupils,
    cast(progress.planned_pairs as integer) as planned_pairs,
    cast(progress.mastered_pairs as integer) as mastered_pairs,
    cast(progress.review_due_pairs as integer) as review_due_pairs,
    told.mastered_share,
    told.needed_share,
    told.needed_by_term_end_share,
    told.needed_a_week,
    told.term_title,
    told.term_end_date,
    told.weeks,
    told.a_week,
    told.outlook,
    told.projected_date,
    told.earliest_date,
    told.latest_date
from {{ ref('int_class_progress') }} as progress
inner join {{ ref('int_class_pace') }} as told
    on
        progress.class_id = told.class_id
        and progress.subject = told.subject
