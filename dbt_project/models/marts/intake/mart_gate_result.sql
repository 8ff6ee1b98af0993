select
    {{ gate_result_columns() }}
from {{ ref('stg_gate_result') }} as result
