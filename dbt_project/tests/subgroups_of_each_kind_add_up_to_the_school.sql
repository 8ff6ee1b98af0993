-- A subgroup left out would be a pupil left out: of each kind a school's pairs are as many as of any other kind.
with kinds as (
    select
        mastery.school_id,
        mastery.subject,
        mastery.subgroup_kind,
        sum(mastery.pupils) as pupils,
        sum(mastery.planned_pairs) as planned_pairs,
        sum(mastery.mastered_pairs) as mastered_pairs
    from {{ ref('mart_subgroup_mastery') }} as mastery
    group by mastery.school_id, mastery.subject, mastery.subgroup_kind
)

select
    kinds.school_id,
    kinds.subject
from kinds
group by kinds.school_id, kinds.subject
having
    min(kinds.pupils) <> max(kinds.pupils)
    or min(kinds.planned_pairs) <> max(kinds.planned_pairs)
    or min(kinds.mastered_pairs) <> max(kinds.mastered_pairs)
