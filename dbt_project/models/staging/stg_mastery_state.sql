select
    state.student_key,
    state.competency_id,
    state.state,
    state.expected_share,
    state.share_low,
    state.share_high,
    state.counted_attempts,
    state.opportunities_without_three,
    state.last_event_at,
    state.state_since_at,
    state.model_version,
    state.policy_version
from {{ current_rows(source('gold', 'mastery_state'), ['pair_key']) }} as state
