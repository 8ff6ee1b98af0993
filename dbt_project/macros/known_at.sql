{#- Rows of a two-time table as they were known at the release's instant; needs `stg_release` joined as `release`. -#}
{% macro known_at(alias) -%}
    {{ alias }}.recorded_from <= release.as_of_at
    and ({{ alias }}.recorded_to is null or {{ alias }}.recorded_to > release.as_of_at)
{%- endmacro %}
