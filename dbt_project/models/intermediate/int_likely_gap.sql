-- What may be missing below a competency: of everything that comes before it, what the pupil is weakest in.
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
    state.student_key,
    nearest.competency_id,
    nearest.prerequisite_id,
    competency.competency_code as prerequisite_code,
    competency.competency_title as prerequisite_title,
    state.expected_share
from nearest
inner join {{ ref('stg_mastery_state') }} as state on nearest.prerequisite_id = state.competency_id
inner join {{ ref('stg_competency') }} as competency on nearest.prerequisite_id = competency.competency_id
where
    state.state not in ('mastered', 'not_started')
    and state.expected_share < {{ stuck_below_share() }}
qualify
    row_number() over (
        partition by state.student_key, nearest.competency_id
        order by state.expected_share, nearest.steps, nearest.prerequisite_id
    ) = 1
