-- The newest frozen plan of each pilot, its analysis part as columns. What older plans do not say is left open.
-- What may change beside the analysis (dosage rule, days, milestones) is as it was recorded last since then.
with newest as (
    select
        plan.pilot_id,
        plan.plan_hash,
        plan.frozen_at,
        cast(coalesce(change.plan_json, plan.plan_json) as json) as plan_document
    from {{ source('gold', 'pilot_plan') }} as plan
    left join {{ source('gold', 'pilot_practice') }} as change
        on
            plan.pilot_id = change.pilot_id
            and plan.plan_hash = change.plan_hash
            and plan.frozen_at <= change.recorded_at
            and change.plan_json is not null
    qualify
        row_number() over (
            partition by plan.pilot_id
            order by plan.frozen_at desc, plan.plan_hash desc, change.recorded_at desc nulls last
        ) = 1
)

select
    newest.pilot_id,
    newest.plan_hash,
    newest.plan_document ->> '$.title' as title,
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
    newest.plan_document ->> '$.analysis.subject' as subject,
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
        {{ last_test_day("(newest.plan_document -> '$.analysis." ~ part ~ "')") }} as {{ part }}_until_date,
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
    cast(newest.plan_document -> '$.analysis.between' as json[]) as between_windows,
    cast(newest.plan_document -> '$.analysis.guardrails' as json[]) as guardrails
from newest
