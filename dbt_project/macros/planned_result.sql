{#- Whether a result is of a planned test: its name, window and measure, whatever their case, and the subject where one
    is named. Both are aliases in the query; the plan's columns are assessment, window_name, measure, subject. -#}
{% macro is_planned_result(planned, result) -%}
    {{ same_name(planned ~ '.assessment') }} = {{ same_name(result ~ '.assessment') }}
    and {{ planned }}.window_name = {{ result }}.window_name
    and {{ same_name(planned ~ '.measure') }} = {{ same_name(result ~ '.measure') }}
    and (
        {{ planned }}.subject is null
        or {{ same_name(planned ~ '.subject') }} = {{ same_name(result ~ '.subject') }}
    )
{%- endmacro %}

{#- The newest of several scores; of two on one day the higher, so that the order of rows does not decide. -#}
{% macro newest_score(result) -%}
    {{ value_of_last(result ~ '.scale_score', 'row(' ~ result ~ '.taken_date, ' ~ result ~ '.scale_score)') }}
{%- endmacro %}
