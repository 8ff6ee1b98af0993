{#-
    The share, with its interval, of a row of gold.mastery_state as of an instant: a struct (share, low, high).
    A function that lake/dbt_source.py gives to DuckDB: the formula itself is compiled Python and written nowhere else.
    Columns stand in the order that lake/share_function.py takes them in (a test holds the two against each other).
-#}
{% macro durable_share(state, as_of_at) -%}
    durable_share(
        {{ state }}.model_version,
        {{ state }}.competency_id,
        {{ as_of_at }},
        {{ state }}.last_event_at,
        {{ state }}.counted_attempts,
        {{ state }}.counted_credit,
        {{ state }}.last_outcomes,
        {{ state }}.residual_over_3_tries,
        {{ state }}.residual_over_10_tries,
        {{ state }}.residual_over_30_tries,
        {{ state }}.work_over_1_days,
        {{ state }}.residual_over_1_days,
        {{ state }}.work_over_3_days,
        {{ state }}.residual_over_3_days,
        {{ state }}.work_over_14_days,
        {{ state }}.residual_over_14_days,
        {{ state }}.work_over_60_days,
        {{ state }}.residual_over_60_days,
        {{ state }}.pupil_counted,
        {{ state }}.pupil_credit,
        {{ state }}.pupil_last_outcomes,
        {{ state }}.pupil_residual_over_5_tries,
        {{ state }}.pupil_residual_over_20_tries,
        {{ state }}.pupil_residual_over_100_tries,
        {{ state }}.pupil_work_over_1_days,
        {{ state }}.pupil_residual_over_1_days,
        {{ state }}.pupil_work_over_14_days,
        {{ state }}.pupil_residual_over_14_days,
        {{ state }}.pupil_work_over_60_days,
        {{ state }}.pupil_residual_over_60_days
    )
{%- endmacro %}
