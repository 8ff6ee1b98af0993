{#- Whether a pupil's plan (mart_pupil_plan) holds a competency (mart_competency): its subject, and her grade where both
    say one. -#}
{% macro plan_holds(plan, competency) -%}
    {{ competency }}.subject = {{ plan }}.subject
    and (
        {{ competency }}.grades is null
        or {{ plan }}.grade is null
        or strpos({{ competency }}.grades, ',' || {{ plan }}.grade || ',') > 0
    )
{%- endmacro %}
