-- Nobody moves on to a topic for which she is put in a small group the same day.
select
    moves.student_key,
    moves.competency_id,
    moves.next_competency_id
from {{ ref('mart_moves_on') }} as moves
inner join {{ ref('mart_group_member') }} as own
    on
        moves.student_key = own.student_key
        and moves.next_competency_id = own.competency_id
        and own.is_member
