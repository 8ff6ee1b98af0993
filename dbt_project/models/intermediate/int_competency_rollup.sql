-- From the leaves to the root, a level at a time (macros/rollup.sql): a part that has parts counts with what was rolled
-- up for it, never with evidence of its own.
with part as (
    select
        edge.parent_id,
        edge.competency_id,
        coalesce(tree.leaves, 1) as leaves
    from {{ ref('stg_competency_parent') }} as edge
    left join {{ ref('int_competency_tree') }} as tree on edge.competency_id = tree.competency_id
),

whole as (
    select
        part.parent_id as competency_id,
        tree.height,
        cast(count(*) as integer) as parts,
        sum(part.leaves) as leaves
    from part
    inner join {{ ref('int_competency_tree') }} as tree on part.parent_id = tree.competency_id
    group by part.parent_id, tree.height
),

level_0 as materialized (
    select
        standing.student_key,
        standing.competency_id,
        standing.state,
        standing.expected_share,
        standing.share_low,
        standing.share_high,
        standing.is_stuck as has_stuck_part,
        standing.carried_from_id is not null as has_carried_part
    from {{ ref('int_pupil_standing') }} as standing
    anti join whole on standing.competency_id = whole.competency_id
),

{% for level in range(1, rollup_levels() + 1) %}
    {{ rollup_level(level) }},
{% endfor %}

found as (
    {{ rollup_of_all_levels() }}
)

select
    found.student_key,
    found.competency_id,
    found.state,
    found.expected_share,
    found.share_low,
    found.share_high,
    found.parts,
    found.parts_worked_on,
    found.parts_with_evidence,
    found.parts_mastered,
    cast(found.leaves as integer) as leaves,
    found.has_stuck_part,
    found.has_carried_part
from found
