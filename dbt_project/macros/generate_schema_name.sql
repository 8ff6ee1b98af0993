{#- Schemas are named as configured, without the target's name in front: `work` stays `work`. On a Postgres server,
    where others have schemas too, the working schema is named after the marts' own. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema ~ '_' if target.type == 'postgres' and custom_schema_name -}}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
