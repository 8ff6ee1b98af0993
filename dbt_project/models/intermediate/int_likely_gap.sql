-- What may be missing below a competency that a pupil has not got yet: of everything that comes before it, what the
-- pupil is weakest in. Only for pairs that are developing or stuck: every pupil times every prerequisite would be a
-- district's year squared.
with recursive before as (
    select
        edge.competency_id,
        edge.prerequisite_id,
        1 as steps
    from {{ ref('stg_prerequisite') }} as edge

    -- Distinct rows and a limit: a framework's edges may go in a circle.
    union

    select
        before.competency_id,
        edge.prerequisite_id,
        before.steps + 1 as steps
    from before
    inner join {{ ref('stg_prerequisite') }} as edge on before.prerequisite_id = edge.competency_id
    where before.steps < 6
),

nearest as (
    select
        before.competency_id,
        before.prerequisite_id,
        min(before.steps) as steps
    from before
    where before.prerequisite_id != before.competency_id
    group by before.competency_id, before.prerequisite_id
)

select
    own.student_key,
    own.competency_id,
    nearest.prerequisite_id,
    competency.competency_code as prerequisite_code,
    competency.competency_title as prerequisite_title,
    state.expected_share
from {{ ref('int_pupil_competency') }} as own
inner join nearest on own.competency_id = nearest.competency_id
inner join {{ ref('stg_mastery_state') }} as state
    on
        own.student_key = state.student_key
        and nearest.prerequisite_id = state.competency_id
inner join {{ ref('stg_competency') }} as competency on nearest.prerequisite_id = competency.competency_id
-- What a teacher said is mastered is no gap.
anti join {{ ref('int_override') }} as said
    on
        state.student_key = said.student_key
        and state.competency_id = said.competency_id
        and said.override_state = 'mastered'
where
    (own.is_stuck or own.state = 'developing')
    and state.state = 'developing'
    and state.expected_share < {{ stuck_below_share() }}
qualify
    row_number() over (
        partition by own.student_key, own.competency_id
        order by state.expected_share, nearest.steps, nearest.prerequisite_id
    ) = 1
