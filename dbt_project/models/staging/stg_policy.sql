-- What each version of a policy asks for, of all that nights went by: states name the one that they were said by.
select
    asked.policy_version,
    asked.minimum_attempts,
    asked.review_due_share
from (
    select unnest(
        from_json(
            '{{ env_var("CAIRN_POLICIES", "[]") }}',
            '[{"policy_version": "varchar", "minimum_attempts": "integer", "review_due_share": "double"}]'
        ),
        recursive := true
    )
) as asked
