with candidates as (
    select
        pair.school_id,
        pair.class_id,
        pair.class_title,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        pair.student_key,
        pair.is_stuck,
        row_number() over (
            partition by pair.class_id, pair.competency_id
            order by pair.is_stuck desc, pair.expected_share, pair.student_key
        ) as place
    from {{ ref('int_pupil_competency') }} as pair
    where
        pair.is_stuck
        or (pair.state = 'developing' and pair.counted_attempts >= 5)
),

teams as (
    select
        candidates.school_id,
        candidates.class_id,
        candidates.class_title,
        candidates.competency_id,
        candidates.competency_code,
        candidates.competency_title,
        count(*) as pupils,
        count(*) filter (where candidates.is_stuck) as stuck_pupils,
        list(candidates.student_key order by candidates.place) as student_keys
    from candidates
    where candidates.place <= 6
    group by all
    having count(*) >= 2
)

select
    teams.school_id,
    teams.class_id,
    teams.class_title,
    teams.competency_id,
    teams.competency_code,
    teams.competency_title,
    cast(teams.pupils as integer) as pupils,
    teams.student_keys
from teams
qualify
    row_number() over (
        partition by teams.class_id
        order by teams.stuck_pupils desc, teams.pupils desc, teams.competency_id
    ) <= 3
