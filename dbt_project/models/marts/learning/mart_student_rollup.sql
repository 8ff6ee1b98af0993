select
    pupil.school_id,
    rolled.student_key,
    rolled.competency_id,
    competency.competency_code,
    competency.competency_title,
    competency.subject,
    competency.sequence,
    tree.height as levels_below,
    rolled.state,
    rolled.expected_share,
    rolled.share_low,
    rolled.share_high,
    rolled.parts,
    rolled.parts_worked_on,
    rolled.parts_with_evidence,
    rolled.parts_mastered,
    rolled.has_stuck_part,
    rolled.has_carried_part,
    own.state as own_state,
    own.expected_share as own_share
from {{ ref('int_competency_rollup') }} as rolled
inner join {{ ref('int_competency_tree') }} as tree on rolled.competency_id = tree.competency_id
inner join {{ ref('stg_competency') }} as competency on rolled.competency_id = competency.competency_id
inner join {{ ref('int_pupil') }} as pupil on rolled.student_key = pupil.student_key
left join {{ ref('stg_mastery_state') }} as own
    on
        rolled.student_key = own.student_key
        and rolled.competency_id = own.competency_id
