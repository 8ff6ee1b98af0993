-- The newest run of each gate, night by night, for two weeks.
select
    {{ gate_result_columns() }}
from {{ source('ops', 'gate_result') }} as result
cross join {{ ref('stg_release') }} as release
where
    result.data_date > release.data_date - 14
    and result.data_date <= release.data_date
qualify
    result.gate_run_id
    = arg_max(result.gate_run_id, result.run_at) over (partition by result.gate, result.data_date)
