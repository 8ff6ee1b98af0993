{#- What DuckDB and Postgres say in different words; the marts are written in what both understand, and in these. -#}

{#- The value in the row where `by` is greatest, of rows that have both; an aggregate. `where` picks rows. -#}
{% macro value_of_last(value, by, where='true') -%}
    {%- if target.type == 'postgres' -%}
        (array_agg({{ value }} order by {{ by }} desc) filter (
        where {{ value }} is not null and {{ by }} is not null and {{ where }}
    ))[1]
    {%- else -%}
        arg_max({{ value }}, {{ by }}){{ ' filter (where ' ~ where ~ ')' if where != 'true' }}
    {%- endif -%}
{%- endmacro %}

{#- The value in the row where `by` is least, of rows that have both; an aggregate. -#}
{% macro value_of_first(value, by) -%}
    {%- if target.type == 'postgres' -%}
        (array_agg({{ value }} order by {{ by }}) filter (where {{ value }} is not null and {{ by }} is not null))[1]
    {%- else -%}
        arg_min({{ value }}, {{ by }})
    {%- endif -%}
{%- endmacro %}

{#- A number of type double precision, to so many digits: by floor, as each engine rounds halves in its own way. -#}
{% macro rounded(value, digits) -%}
    floor({{ value }} * {{ 10 ** digits }} + 0.5) / {{ 10 ** digits }}
{%- endmacro %}

{#- A row a text of a JSON array. -#}
{% macro unnest_texts(texts) -%}
    {%- if target.type == 'postgres' -%}
        jsonb_array_elements_text({{ texts }})
    {%- else -%}
        unnest(cast({{ texts }} as varchar[]))
    {%- endif -%}
{%- endmacro %}
