{#- A grade as it is compared: 5 for 05, 5th and Grade 5, K for KG, 0K and 0 (cairn/grades.py says the same). -#}
{% macro grade_key(column) -%}
    {%- set written = "^(GRADE|GR\\.?)?\\s*([0-9]+)(\\.0+|ST|ND|RD|TH)?(\\s*GRADE)?$" -%}
    {%- set bare = "ltrim(regexp_replace(upper(trim(" ~ column ~ ")), '" ~ written ~ "', '\\2'), '0')" -%}
    case
        when trim({{ column }}) = '' then null
        when {{ bare }} in ('', 'KG', 'KN', 'KINDERGARTEN') then 'K'
        when {{ bare }} in ('PREK', 'PRE-K', 'PRE-KINDERGARTEN', 'PREKINDERGARTEN') then 'PK'
        else {{ bare }}
    end
{%- endmacro %}
