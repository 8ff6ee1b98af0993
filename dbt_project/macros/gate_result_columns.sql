{#- What a release says of a gate's finding: the same in staging and in the mart. -#}
{% macro gate_result_columns() -%}
    result.gate,
    result.rule_id,
    result.scope_type,
    result.scope_id,
    result.severity,
    result.is_passed,
    result.rows_checked,
    result.rows_failed,
    result.sample_event_ids,
    result.message,
    result.run_at,
    result.data_date
{%- endmacro %}
