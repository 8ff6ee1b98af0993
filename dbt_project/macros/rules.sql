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

{% macro action_follow_up_days() -%}
    {{ env_var("CAIRN_ACTION_FOLLOW_UP_DAYS") }}
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
