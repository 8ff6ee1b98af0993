{#- First day whose events any pilot's dosage rule counts, as a literal that reaches the files (releases/warehouse.py).
    Where no plan has such a rule, a day that never comes: no event is read. -#}
{% macro dosage_since() -%}
    cast('{{ env_var("CAIRN_DOSAGE_SINCE", "9999-12-31") }}' as date)
{%- endmacro %}
