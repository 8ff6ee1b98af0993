-- The newest frozen plan of each pilot, its analysis part as columns. What older plans do not say is left open.
with newest as (
    select
        plan.*,
        cast(plan.plan_json as json) as plan_document
    from {{ source('gold', 'pilot_plan') }} as plan
    qualify row_number() over (partition by plan.pilot_id order by plan.frozen_at desc, plan.plan_hash desc) = 1
)

select
    newest.pilot_id,
    newest.plan_hash,
    newest.title,
    newest.frozen_at,
    newest.plan_document ->> '$.owner' as owner,
    cast(newest.plan_document -> '$.barriers' as json[]) as barriers,
    cast(newest.plan_document -> '$.implementation.milestones' as json[]) as milestones,
    cast(newest.plan_document -> '$.implementation.adult_learning' as json[]) as adult_learning,
    cast(
        coalesce(
            newest.plan_document ->> '$.analysis.assignment.assigned_on',
            newest.plan_document ->> '$.analysis.assigned_date',
            -- A plan that does not say when schools were assigned: its pupils are those whom the baseline finds there.
            newest.plan_document ->> '$.analysis.baseline.from_date'
        ) as date
    ) as assigned_date,
    list_transform(
        cast(newest.plan_document -> '$.analysis.grades' as varchar[]),
        lambda grade: {{ grade_key('grade') }}
    ) as grades,
    list_transform(
        cast(newest.plan_document -> '$.analysis.class_subjects' as varchar[]),
        lambda subject: {{ same_name('subject') }}
    ) as class_subjects,
    coalesce(newest.plan_document ->> '$.analysis.joiners', 'apart') as joiner_rule,
    coalesce(newest.plan_document ->> '$.analysis.leavers', 'lost') as leaver_rule,
    {% for part in ['baseline', 'outcome'] %}
        newest.plan_document ->> '$.analysis.{{ part }}.assessment' as {{ part }}_assessment,
        newest.plan_document ->> '$.analysis.{{ part }}.window' as {{ part }}_window,
        newest.plan_document ->> '$.analysis.{{ part }}.measure' as {{ part }}_measure,
        coalesce(
            newest.plan_document ->> '$.analysis.{{ part }}.subject', newest.plan_document ->> '$.analysis.subject'
        ) as {{ part }}_subject,
        cast(newest.plan_document ->> '$.analysis.{{ part }}.from_date' as date) as {{ part }}_from_date,
        cast(newest.plan_document ->> '$.analysis.{{ part }}.to_date' as date)
        + cast(coalesce(newest.plan_document ->> '$.analysis.{{ part }}.make_up_days', '0') as integer)
            as {{ part }}_until_date,
    {% endfor %}
    cast(newest.plan_document ->> '$.implementation.dosage_minutes_planned' as double) as dosage_minutes_planned,
    cast(newest.plan_document ->> '$.implementation.starts_on' as date) as starts_date,
    cast(newest.plan_document ->> '$.implementation.ends_on' as date) as ends_date,
    cast(newest.plan_document -> '$.implementation.dosage.sources' as varchar[]) as dosage_sources,
    cast(newest.plan_document -> '$.implementation.dosage.activity_types' as varchar[]) as dosage_activity_types,
    cast(newest.plan_document -> '$.implementation.dosage.competencies' as varchar[]) as dosage_competencies,
    coalesce(newest.plan_document ->> '$.implementation.dosage.counts', 'minutes') as dosage_counts,
    cast(
        newest.plan_document ->> '$.implementation.dosage.minutes_per_event_max' as double
    ) as dosage_minutes_per_event_max,
    cast(newest.plan_document ->> '$.implementation.dosage.minutes_each' as double) as dosage_minutes_each,
    case
        when (newest.plan_document -> '$.implementation.dosage') is null then 'files'
        else coalesce(newest.plan_document ->> '$.implementation.dosage.counted', 'stream')
    end as dosage_source,
    cast(newest.plan_document -> '$.analysis.wave_starts' as varchar[]) as wave_starts,
    cast(newest.plan_document -> '$.analysis.guardrails' as json[]) as guardrails
from newest
