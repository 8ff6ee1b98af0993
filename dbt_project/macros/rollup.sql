{#- Two CTEs of int_competency_rollup: what each pupil has in the parts of competencies of this height, and what that says.
    Needs the CTEs part, whole and those of all lower levels; level_0 are the leaves. -#}
{% macro rollup_level(level) -%}
    counted_{{ level }} as (
        select
            below.student_key,
            whole.competency_id,
            whole.parts,
            whole.leaves,
            cast(count(*) as integer) as parts_worked_on,
            cast(count(*) filter (where {{ has_evidence('below') }}) as integer) as parts_with_evidence,
            cast(count(*) filter (where below.state = 'mastered') as integer) as parts_mastered,
            coalesce(sum(part.leaves) filter (where {{ has_evidence('below') }}), 0) as leaves_with_evidence,
            coalesce(sum(part.leaves) filter (where below.state = 'mastered'), 0) as leaves_mastered,
            coalesce(sum(part.leaves) filter (where below.state in ('mastered', 'review_due')), 0)
                as leaves_once_mastered,
            bool_or(below.has_stuck_part) as has_stuck_part,
            bool_or(below.has_carried_part) as has_carried_part,
            {% for end in ('expected_share', 'share_low', 'share_high') -%}
            sum(part.leaves * below.{{ end }}) filter (where {{ has_evidence('below') }})
            / sum(part.leaves) filter (where {{ has_evidence('below') }}) as {{ end }}{{ ", " if not loop.last }}
            {%- endfor %}
        from ({% for lower in range(level) -%}
            select
                student_key, competency_id, state, expected_share, share_low, share_high, has_stuck_part,
                has_carried_part
            from level_{{ lower }}{{ " union all " if not loop.last }}
            {%- endfor %}) as below
        inner join part on below.competency_id = part.competency_id
        inner join whole on part.parent_id = whole.competency_id and whole.height = {{ level }}
        group by below.student_key, whole.competency_id, whole.parts, whole.leaves
    ),

    level_{{ level }} as materialized (
        select
            counted.*,
            case
                when 100 * counted.leaves_with_evidence < {{ rollup_evidence_pct() }} * counted.leaves
                    then 'not_enough_evidence'
                when counted.has_stuck_part then 'developing'
                when 100 * counted.leaves_mastered >= {{ rollup_mastered_pct() }} * counted.leaves then 'mastered'
                when 100 * counted.leaves_once_mastered >= {{ rollup_mastered_pct() }} * counted.leaves
                    then 'review_due'
                else 'developing'
            end as state
        from counted_{{ level }} as counted
    )
{%- endmacro %}

{#- All levels of parts together, leaves apart. -#}
{% macro rollup_of_all_levels() -%}
    {% for level in range(1, rollup_levels() + 1) -%}
    select * from level_{{ level }}{{ " union all " if not loop.last }}
    {%- endfor %}
{%- endmacro %}
