select
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
from {{ ref('stg_gate_result') }} as result
