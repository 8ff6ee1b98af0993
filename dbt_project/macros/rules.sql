{#- Numbers of rules, written once in Python or the district's YAML and handed over by releases/warehouse.py.
    Without a default: a build that was not told them must not go on with a guess. -#}
{% macro smallest_group() -%}
    cast({{ env_var("CAIRN_N_MIN") }} as integer)
{%- endmacro %}

{% macro wheel_spinning_opportunities() -%}
    {{ env_var("CAIRN_WHEEL_SPINNING_OPPORTUNITIES") }}
{%- endmacro %}

{% macro stuck_below_share() -%}
    {{ env_var("CAIRN_STUCK_BELOW_SHARE") }}
{%- endmacro %}

{% macro adult_places_per_class() -%}
    {{ env_var("CAIRN_ADULT_PLACES_PER_CLASS") }}
{%- endmacro %}

{#- Of a school's pupils at most this many in a hundred are on the first list: a longer one is no list for a morning. -#}
{% macro adult_first_pct() -%}
    25
{%- endmacro %}

{#- From this share on a pupil who slips is almost there: a few more questions, no adult. -#}
{% macro almost_there_share() -%}
    0.7
{%- endmacro %}

{% macro action_follow_up_days() -%}
    {{ env_var("CAIRN_ACTION_FOLLOW_UP_DAYS") }}
{%- endmacro %}

{% macro action_summary_days() -%}
    {{ env_var("CAIRN_ACTION_SUMMARY_DAYS") }}
{%- endmacro %}

{% macro minimum_evidence_attempts() -%}
    {{ env_var("CAIRN_MINIMUM_EVIDENCE_ATTEMPTS") }}
{%- endmacro %}

{% macro review_due_share() -%}
    {{ env_var("CAIRN_REVIEW_DUE_SHARE") }}
{%- endmacro %}

{% macro replaced_discount() -%}
    {{ env_var("CAIRN_CARRY_REPLACED_DISCOUNT") }}
{%- endmacro %}

{% macro match_discount() -%}
    {{ env_var("CAIRN_CARRY_MATCH_DISCOUNT") }}
{%- endmacro %}

{% macro carry_steps() -%}
    {{ env_var("CAIRN_CARRY_STEPS") }}
{%- endmacro %}

{% macro rollup_mastered_pct() -%}
    {{ env_var("CAIRN_ROLLUP_MASTERED_PCT") }}
{%- endmacro %}

{% macro rollup_evidence_pct() -%}
    {{ env_var("CAIRN_ROLLUP_EVIDENCE_PCT") }}
{%- endmacro %}

{#- How many levels of parts are rolled up: CASE frameworks have five to seven from component to subject. -#}
{% macro rollup_levels() -%}
    {{ return(8) }}
{%- endmacro %}

{#- Whether a standing says more than that there is too little to say. -#}
{% macro has_evidence(standing) -%}
    {{ standing }}.state not in ('not_started', 'not_enough_evidence') and {{ standing }}.expected_share is not null
{%- endmacro %}

{% macro silence_window_days() -%}
    {{ env_var("CAIRN_SILENCE_WINDOW_DAYS") }}
{%- endmacro %}

{% macro silence_at_least_days() -%}
    {{ env_var("CAIRN_SILENCE_AT_LEAST_DAYS") }}
{%- endmacro %}

{#- Days over which books are kept in a release and events are counted by day. -#}
{% macro books_days() -%}
    28
{%- endmacro %}
