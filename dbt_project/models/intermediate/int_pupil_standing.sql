-- What a pupil is taken to stand at: the computed state, or, where a competency has too little evidence of its own,
-- what is carried to it from one that it replaces or matches. No computed state is changed by it.
with enough as (
    select
        own.student_key,
        own.competency_id
    from {{ ref('stg_mastery_state') }} as own
    left join {{ ref('stg_policy') }} as policy on own.policy_version = policy.policy_version
    where own.counted_attempts >= coalesce(policy.minimum_attempts, {{ minimum_evidence_attempts() }})
),

carried as (
    select
        origin.student_key,
        path.to_competency_id as competency_id,
        case
            when origin.state = 'developing' then 'developing'
            when
                origin.state = 'mastered'
                and origin.expected_share * path.discount
                >= coalesce(policy.review_due_share, {{ review_due_share() }})
                then 'mastered'
            else 'review_due'
        end as state,
        origin.expected_share * path.discount as expected_share,
        origin.share_low * path.discount as share_low,
        -- That it carries at all is in doubt, not that the pupil may be as good as there: the upper end stays.
        origin.share_high,
        origin.state_since_at,
        path.from_competency_id as carried_from_id,
        path.relation as carried_by,
        path.discount as carried_discount,
        path.steps
    from {{ ref('stg_mastery_state') }} as origin
    inner join {{ ref('int_carry_path') }} as path on origin.competency_id = path.from_competency_id
    left join {{ ref('stg_policy') }} as policy on origin.policy_version = policy.policy_version
    anti join enough
        on
            origin.student_key = enough.student_key
            and path.to_competency_id = enough.competency_id
    where origin.state in ('mastered', 'review_due', 'developing')
    qualify
        row_number() over (
            partition by origin.student_key, path.to_competency_id
            order by path.discount desc, path.steps, origin.counted_attempts desc, path.from_competency_id
        ) = 1
)

select
    own.student_key,
    own.competency_id,
    own.state,
    own.expected_share,
    own.share_low,
    own.share_high,
    own.state_since_at,
    own.opportunities_without_three >= {{ wheel_spinning_opportunities() }}
    and own.state not in ('mastered', 'review_due')
    and own.expected_share < {{ stuck_below_share() }} as is_stuck,
    cast(null as varchar) as carried_from_id,
    cast(null as varchar) as carried_by,
    cast(null as double) as carried_discount
from {{ ref('stg_mastery_state') }} as own
anti join carried
    on
        own.student_key = carried.student_key
        and own.competency_id = carried.competency_id

union all

select
    carried.student_key,
    carried.competency_id,
    carried.state,
    carried.expected_share,
    carried.share_low,
    carried.share_high,
    carried.state_since_at,
    false as is_stuck,
    carried.carried_from_id,
    carried.carried_by,
    carried.carried_discount
from carried
