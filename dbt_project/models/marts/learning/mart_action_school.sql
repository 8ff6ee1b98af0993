-- A school's own fortnight. It reads the mart of single actions, so a school that is held back keeps the answer of the
-- release that it shows, like every other row of its own.
{%- set of_the_fortnight -%}
    and followup.action_date > (
        select release.data_date from {{ ref('stg_release') }} as release
    ) - {{ action_summary_days() }}
{%- endset %}
with {{ action_comparison('school_id', of_the_fortnight) }},

schools as (
    select
        followup.school_id,
        count(*) as actions,
        count(distinct followup.student_key) as pupils,
        count(*) filter (where followup.has_worked) as actions_with_work,
        count(distinct followup.student_key) filter (where followup.has_worked) as pupils_with_work
    from {{ ref('mart_action_followup') }} as followup
    where true {{ of_the_fortnight }}
    group by followup.school_id
)

select
    schools.school_id,
    cast(schools.actions as integer) as actions,
    cast(schools.pupils as integer) as pupils,
    cast(schools.actions_with_work as integer) as actions_with_work,
    cast(schools.pupils_with_work as integer) as pupils_with_work,
    cast(comparison.pupils_compared as integer) as pupils_compared,
    {{ rounded('comparison.share_right', 6) }} as share_right,
    {{ rounded('comparison.comparable_share', 6) }} as comparable_share,
    {{ rounded('comparison.difference', 6) }} as difference,
    {{ rounded('(comparison.difference - comparison.quantile * comparison.error)', 6) }} as difference_low,
    {{ rounded('(comparison.difference + comparison.quantile * comparison.error)', 6) }} as difference_high
from schools
left join comparison on schools.school_id = comparison.school_id
