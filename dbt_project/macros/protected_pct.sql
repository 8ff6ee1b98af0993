{#- A whole percentage as it may be published: nothing under n_min pupils, its ends coded by the group's size. -#}
{% macro protected_pct(pct) -%}
    case
        when coded.pupils < coded.n_min then 'fewer than ' || coded.n_min || ' pupils'
        when {{ pct }} <= coded.edge_pct then '<=' || coded.edge_pct
        when {{ pct }} >= 100 - coded.edge_pct then '>=' || (100 - coded.edge_pct)
        else cast(cast({{ pct }} as integer) as varchar)
    end
{%- endmacro %}
