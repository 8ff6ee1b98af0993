{#- A generic test: no competency is higher above its leaves than the roll-up goes. -#}
{% test within_rollup_levels(model, column_name) %}
select *
from {{ model }}
where {{ column_name }} > {{ rollup_levels() }}
{% endtest %}
