{#- The release's data date as a literal, where a filter has to reach the files of the lake. -#}
{% macro data_date() -%}
    cast('{{ env_var("CAIRN_DATA_DATE", "2026-01-01") }}' as date)
{%- endmacro %}
