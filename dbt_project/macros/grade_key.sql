{#- A grade as it is compared: 5 for 05, K for KG, 0K and 0 (cairn/grades.py says the same). -#}
{% macro grade_key(column) -%}
    case
        when trim({{ column }}) = '' then null
        when upper(ltrim(trim({{ column }}), '0')) in ('', 'KG', 'KN', 'KINDERGARTEN') then 'K'
        when
            upper(ltrim(trim({{ column }}), '0')) in ('PREK', 'PRE-K', 'PRE-KINDERGARTEN', 'PREKINDERGARTEN')
            then 'PK'
        else upper(ltrim(trim({{ column }}), '0'))
    end
{%- endmacro %}
