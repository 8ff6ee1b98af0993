{#- A name as it is compared: vendors and people differ in case and blanks (pilots/known.py says the same). -#}
{% macro same_name(column) -%}
    lower(trim(regexp_replace({{ column }}, '\s+', ' ', 'g')))
{%- endmacro %}
