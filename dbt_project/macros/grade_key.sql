{#- A grade as it is compared: 5 for 05 (pilots/known.py says the same). -#}
{% macro grade_key(column) -%}
    nullif(upper(ltrim(trim({{ column }}), '0')), '')
{%- endmacro %}
