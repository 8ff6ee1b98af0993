-- Nobody moves on to a topic that she is stuck in.
select
    moves.student_key,
    moves.competency_id,
    moves.next_competency_id
from {{ ref('mart_moves_on') }} as moves
inner join {{ ref('int_pupil_competency') }} as own
    on
        moves.student_key = own.student_key
        and moves.next_competency_id = own.competency_id
        and own.is_stuck
