{#- Last day on which a test counts, of a measure as a plan has it (JSON): the window's last, and the days for make-ups
    (closes_on in pilots/plan_rules.py says the same). -#}
{% macro last_test_day(measure) -%}
    cast({{ measure }} ->> '$.to_date' as date)
    + cast(coalesce({{ measure }} ->> '$.make_up_days', '0') as integer)
{%- endmacro %}
