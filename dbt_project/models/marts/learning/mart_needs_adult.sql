with last_work as (
    select
        day.student_key,
        max(day.work_date) as last_work_date
    from {{ ref('stg_attempt_day') }} as day
    group by day.student_key
),

working_schools as (
    select distinct placed.school_id
    from {{ ref('int_attempt_day_placed') }} as placed
    cross join {{ ref('stg_release') }} as release
    where placed.work_date >= release.pupil_silent_since_date
),

silent as (
    select
        pupil.student_key,
        pupil.school_id,
        release.pupil_silent_since_date,
        last_work.last_work_date
    from {{ ref('int_pupil') }} as pupil
    cross join {{ ref('stg_release') }} as release
    inner join working_schools on pupil.school_id = working_schools.school_id
    left join last_work on pupil.student_key = last_work.student_key
    where
        pupil.enrolled_since_date < release.pupil_silent_since_date
        and coalesce(last_work.last_work_date < release.pupil_silent_since_date, true)
),

pairs_by_work as (
    select
        pair.student_key,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        pair.counted_attempts,
        pair.expected_share,
        pair.last_event_at,
        pair.class_id,
        pair.class_title,
        pair.override_state,
        pair.override_date,
        row_number() over (
            partition by pair.student_key order by pair.last_event_at desc nulls last, pair.competency_id
        ) as place
    from {{ ref('int_pupil_competency') }} as pair
),

last_pair as (
    select pairs_by_work.*
    from pairs_by_work
    where pairs_by_work.place = 1
),

classes_by_date as (
    select
        class.student_key,
        class.school_id,
        class.class_id,
        class.class_title,
        row_number() over (
            partition by class.student_key, class.school_id
            order by class.joined_date desc nulls last, class.class_id
        ) as place
    from {{ ref('int_current_class') }} as class
),

any_class as (
    select classes_by_date.*
    from classes_by_date
    where classes_by_date.place = 1
),

opened as (
    select
        edge.prerequisite_id as competency_id,
        cast(count(*) as integer) as blocks
    from {{ ref('stg_prerequisite') }} as edge
    group by edge.prerequisite_id
),

pairs as (
    select
        pair.school_id,
        pair.class_id,
        pair.class_title,
        pair.student_key,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        case
            when pair.is_stuck then 'wheel_spinning'
            when
                pair.state = 'developing'
                and slipped.slipped_date is not null
                and pair.expected_share < {{ almost_there_share() }}
                then 'slipping'
        end as reason,
        case
            when pair.is_stuck
                then pair.opportunities_without_three || ' tries without three right in a row'
            when pair.state = 'developing' and slipped.slipped_date is not null
                then 'mastered until ' || cast(slipped.slipped_date as varchar) || ', now developing'
        end
        || case
            when cast(pair.last_event_at at time zone release.timezone as date) < release.pupil_silent_since_date
                then
                    '; last work on it '
                    || cast(cast(pair.last_event_at at time zone release.timezone as date) as varchar)
            else ''
        end as detail,
        pair.counted_attempts,
        pair.expected_share,
        pair.last_event_at,
        cast(pair.last_event_at at time zone release.timezone as date) < release.pupil_silent_since_date as is_old,
        coalesce(opened.blocks, 0) as blocks,
        pair.override_state,
        pair.override_date
    from {{ ref('int_pupil_competency') }} as pair
    cross join {{ ref('stg_release') }} as release
    left join {{ ref('int_slipped') }} as slipped
        on
            pair.student_key = slipped.student_key
            and pair.competency_id = slipped.competency_id
    left join opened on pair.competency_id = opened.competency_id
    -- What a teacher said is mastered needs no adult; mart_override says how many rows that sets aside.
    where pair.override_state is distinct from 'mastered'
),

reasons as (
    select pairs.*
    from pairs
    where pairs.reason is not null

    union all

    select
        silent.school_id,
        coalesce(last_pair.class_id, any_class.class_id) as class_id,
        coalesce(last_pair.class_title, any_class.class_title) as class_title,
        silent.student_key,
        coalesce(last_pair.competency_id, '') as competency_id,
        coalesce(last_pair.competency_code, '') as competency_code,
        coalesce(last_pair.competency_title, '') as competency_title,
        'silent' as reason,
        coalesce('no work since ' || cast(silent.last_work_date as varchar), 'no work yet') as detail,
        coalesce(last_pair.counted_attempts, 0) as counted_attempts,
        last_pair.expected_share,
        last_pair.last_event_at,
        true as is_old,
        0 as blocks,
        last_pair.override_state,
        last_pair.override_date
    from silent
    left join last_pair on silent.student_key = last_pair.student_key
    left join any_class
        on
            silent.student_key = any_class.student_key
            and silent.school_id = any_class.school_id
),

-- What an hour of an adult would change: first by reason, work that rests behind it; then by how far the pupil is from
-- knowing it and how many competencies wait for it.
ranked as (
    select
        reasons.*,
        row_number() over (
            partition by reasons.school_id
            order by
                case
                    when reasons.reason = 'wheel_spinning' and not reasons.is_old then 1
                    when reasons.reason = 'slipping' and not reasons.is_old then 2
                    when reasons.reason = 'silent' then 3
                    else 4
                end,
                {{ rounded('(1 - reasons.expected_share) * (1 + reasons.blocks)', 9) }} desc nulls last,
                reasons.counted_attempts desc,
                reasons.student_key,
                reasons.competency_id
        ) as priority
    from reasons
),

-- A pupil takes one place, in the class of the most urgent row.
pupils as (
    select
        ranked.school_id,
        ranked.student_key,
        {{ value_of_first("coalesce(ranked.class_id, '')", 'ranked.priority') }} as class_id,
        min(ranked.priority) as priority
    from ranked
    group by ranked.school_id, ranked.student_key
),

school_places as (
    select
        pupil.school_id,
        greatest(cast(floor(count(*) * {{ adult_first_pct() }} / 100) as integer), 1) as places
    from {{ ref('int_pupil') }} as pupil
    group by pupil.school_id
),

in_class as (
    select
        pupils.school_id,
        pupils.student_key,
        pupils.priority,
        row_number() over (partition by pupils.school_id, pupils.class_id order by pupils.priority)
        <= {{ adult_places_per_class() }} as has_class_place
    from pupils
    -- Whoever has nothing but work that rests is not seen first: ask whether it still stands, before an hour is spent.
    inner join ranked on pupils.school_id = ranked.school_id and pupils.priority = ranked.priority
    where ranked.reason = 'silent' or not ranked.is_old
),

in_school as (
    select
        in_class.school_id,
        in_class.student_key,
        row_number() over (partition by in_class.school_id order by in_class.priority)
        <= coalesce(school_places.places, 1) as has_place
    from in_class
    left join school_places on in_class.school_id = school_places.school_id
    where in_class.has_class_place
),

first_pupils as (
    select
        in_school.school_id,
        in_school.student_key
    from in_school
    where in_school.has_place
)

select
    ranked.school_id,
    ranked.class_id,
    ranked.class_title,
    ranked.student_key,
    ranked.competency_id,
    ranked.competency_code,
    ranked.competency_title,
    ranked.reason,
    ranked.detail,
    ranked.counted_attempts,
    -- Silence is about the pupil: the share of what she did last is no reason for it.
    case when ranked.reason != 'silent' then ranked.expected_share end as expected_share,
    ranked.last_event_at,
    ranked.is_old,
    cast(ranked.blocks as integer) as blocks,
    gap.prerequisite_id as gap_competency_id,
    gap.prerequisite_code as gap_competency_code,
    gap.prerequisite_title as gap_competency_title,
    gap.expected_share as gap_share,
    cast(ranked.priority as integer) as priority,
    first_pupils.student_key is not null and (ranked.reason = 'silent' or not ranked.is_old) as is_first,
    ranked.override_state,
    ranked.override_date
from ranked
left join first_pupils
    on
        ranked.school_id = first_pupils.school_id
        and ranked.student_key = first_pupils.student_key
left join {{ ref('int_likely_gap') }} as gap
    on
        ranked.student_key = gap.student_key
        and ranked.competency_id = gap.competency_id
        and ranked.reason != 'silent'
