-- Nothing in gold is rewritten because time has passed, so the share is asked anew, as of the end of the data date.
with asked as (
    select
        state.*,
        {{ durable_share('state', 'release.day_end_at') }} as durable
    from {{ current_rows(source('gold', 'mastery_state'), ['pair_key']) }} as state
    cross join {{ ref('stg_release') }} as release
)

select
    asked.student_key,
    asked.competency_id,
    asked.state,
    struct_extract(asked.durable, 'share') as expected_share,
    struct_extract(asked.durable, 'low') as share_low,
    struct_extract(asked.durable, 'high') as share_high,
    asked.counted_attempts,
    asked.opportunities_without_three,
    asked.last_event_at,
    asked.state_since_at,
    asked.model_version,
    asked.policy_version
from asked
