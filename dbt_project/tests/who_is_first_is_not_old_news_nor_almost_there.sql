-- Who needs an adult first: no work that rests for ten school days, but for silence, which is the reason itself; and
-- nobody who is expected to get 70 of 100 right.
select
    needs.student_key,
    needs.competency_id,
    needs.reason
from {{ ref('mart_needs_adult') }} as needs
where
    (needs.is_first and needs.is_old and needs.reason != 'silent')
    or needs.expected_share >= {{ almost_there_share() }}
