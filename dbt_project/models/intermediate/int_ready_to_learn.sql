-- The outer fringe: what a pupil has not mastered yet and whose direct prerequisites are all mastered, by evidence of
-- their own or carried. A teacher's word counts like the state it says.
with needed as (
    select
        edge.competency_id,
        cast(count(*) as integer) as prerequisites
    from {{ ref('stg_prerequisite') }} as edge
    group by all
),

reached as (
    select
        state.student_key,
        edge.competency_id,
        count(*) as prerequisites,
        max(state.state_since_at) as ready_since_at,
        bool_or(state.is_by_teacher) as is_by_teacher
    from {{ ref('int_state_as_said') }} as state
    inner join {{ ref('stg_prerequisite') }} as edge on state.competency_id = edge.prerequisite_id
    where state.state = 'mastered'
    group by all
)

select
    reached.student_key,
    reached.competency_id,
    needed.prerequisites,
    reached.ready_since_at,
    reached.is_by_teacher
from reached
inner join needed
    on
        reached.competency_id = needed.competency_id
        and reached.prerequisites = needed.prerequisites
anti join {{ ref('int_state_as_said') }} as own
    on
        reached.student_key = own.student_key
        and reached.competency_id = own.competency_id
        and own.state in ('mastered', 'review_due')
