{#- A name as it is compared: vendors and people differ in case and blanks (pilots/known.py says the same). A Postgres
    server would lower no letter with an accent where its own collation knows none. -#}
{% macro same_name(column) -%}
    lower(
        trim(regexp_replace({{ column }}, '\s+', ' ', 'g')){{ ' collate pg_c_utf8' if target.type == 'postgres' }}
    )
{%- endmacro %}
