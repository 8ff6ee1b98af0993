-- Environment variables rather than vars: a changed var makes dbt parse the whole project again.
select
    {{ data_date() }} as data_date,
    cast('{{ env_var("CAIRN_DAY_END", "2026-01-02T06:00:00+00:00") }}' as timestamptz) as day_end_at,
    cast('{{ env_var("CAIRN_AS_OF", "2026-01-02T08:00:00+00:00") }}' as timestamptz) as as_of_at,
    cast('{{ env_var("CAIRN_BOOKS_SINCE", "1900-01-01T00:00:00+00:00") }}' as timestamptz) as books_since_at,
    cast('{{ env_var("CAIRN_BOOKS_UNTIL", "9999-12-31T00:00:00+00:00") }}' as timestamptz) as books_until_at,
    '{{ env_var("CAIRN_TIMEZONE", "America/Chicago") }}' as timezone,
    cast('{{ env_var("CAIRN_SCHOOL_YEAR_START", "2025-08-01") }}' as date) as school_year_start_date,
    cast('{{ env_var("CAIRN_PUPIL_SILENT_SINCE", "2025-12-15") }}' as date) as pupil_silent_since_date,
    cast('{{ env_var("CAIRN_SOURCE_SILENT_SINCE", "2025-12-30") }}' as date) as source_silent_since_date
