{#-
    The rows that stand in a table of changes: of each key the row with the highest night, none where that one is removed.
    Rows of the base hold each key once, so only the few later changes are sorted and looked up, never the base.
    `within` is a condition on key columns only, so that it reaches the files and cuts no key's history in two.
-#}
{% macro current_rows(relation, keys, within='true') -%}
    (
        select base.* exclude (is_base, is_removed, night)
        from {{ relation }} as base
        anti join (
            select {{ keys | join(', ') }}
            from {{ relation }}
            where not is_base and {{ within }}
        ) as changed using ({{ keys | join(', ') }})
        where base.is_base and not base.is_removed and {{ within }}
        union all by name
        select newest.* exclude (is_base, is_removed, night)
        from (
            select *
            from {{ relation }}
            where not is_base and {{ within }}
            qualify row_number() over (partition by {{ keys | join(', ') }} order by night desc) = 1
        ) as newest
        where not newest.is_removed
    )
{%- endmacro %}
