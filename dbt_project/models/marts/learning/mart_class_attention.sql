with pupils as (
    select
        class.class_id,
        any_value(class.class_title) as class_title,
        any_value(class.subject) as subject,
        any_value(class.school_id) as school_id,
        count(*) as pupils
    from {{ ref('int_current_class') }} as class
    group by class.class_id
),

work as (
    -- A class is here as soon as it had work in 120 days: where no app is used, nobody is idle.
    select
        placed.class_id,
        count(distinct placed.student_key) filter (where placed.work_date > release.data_date - 7) as active_pupils,
        coalesce(sum(placed.attempts) filter (where placed.work_date > release.data_date - 7), 0) as attempts
    from {{ ref('int_attempt_day_placed') }} as placed
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('int_current_class') }} as class
        on
            placed.class_id = class.class_id
            and placed.student_key = class.student_key
    group by placed.class_id
),

mastery as (
    select
        pair.class_id,
        count(*) filter (where pair.state = 'mastered') as mastered_pairs,
        count(*) filter (where pair.state = 'developing') as developing_pairs,
        count(distinct pair.student_key) filter (where pair.is_stuck) as stuck_pupils
    from {{ ref('int_pupil_competency') }} as pair
    group by pair.class_id
),

ready as (
    select
        moves.class_id,
        count(distinct moves.student_key) as ready_pupils
    from {{ ref('mart_moves_on') }} as moves
    group by moves.class_id
),

teachers as (
    select
        teacher.class_id,
        {{ value_of_first('teacher.teacher_key', '(teacher.teaching_since_date, teacher.teacher_key)') }} as teacher_key
    from {{ ref('mart_class_teacher') }} as teacher
    group by teacher.class_id
),

counts as (
    select
        pupils.school_id,
        pupils.class_id,
        pupils.class_title,
        coalesce(pupils.subject, '') as subject,
        teachers.teacher_key,
        pupils.pupils,
        coalesce(work.active_pupils, 0) as active_pupils,
        work.class_id is not null as has_work,
        coalesce(work.attempts, 0) as attempts,
        coalesce(mastery.mastered_pairs, 0) as mastered_pairs,
        coalesce(mastery.developing_pairs, 0) as developing_pairs,
        coalesce(mastery.stuck_pupils, 0) as stuck_pupils,
        coalesce(ready.ready_pupils, 0) as ready_pupils
    from pupils
    left join work on pupils.class_id = work.class_id
    left join mastery on pupils.class_id = mastery.class_id
    left join ready on pupils.class_id = ready.class_id
    left join teachers on pupils.class_id = teachers.class_id
),

parts as (
    select
        counts.*,
        cast(50 * counts.stuck_pupils as double precision) / counts.pupils as stuck_points,
        case
            when counts.has_work
                then cast(30 * (counts.pupils - counts.active_pupils) as double precision) / counts.pupils
            else 0
        end as idle_points,
        coalesce(
            cast(20 * counts.developing_pairs as double precision)
            / nullif(counts.developing_pairs + counts.mastered_pairs, 0),
            0
        ) as developing_points
    from counts
)

select
    parts.school_id,
    parts.class_id,
    parts.class_title,
    parts.subject,
    parts.teacher_key,
    cast(parts.pupils as integer) as pupils,
    cast(parts.active_pupils as integer) as active_pupils_7d,
    cast(parts.attempts as bigint) as attempts_7d,
    cast(parts.mastered_pairs as integer) as mastered_pairs,
    cast(parts.developing_pairs as integer) as developing_pairs,
    cast(parts.stuck_pupils as integer) as stuck_pupils,
    cast(parts.ready_pupils as integer) as ready_pupils,
    {{ rounded('(parts.stuck_points + parts.idle_points + parts.developing_points)', 1) }} as attention_score,
    case
        when parts.stuck_points + parts.idle_points + parts.developing_points = 0 then 'nothing stands out'
        when parts.stuck_points >= greatest(parts.idle_points, parts.developing_points)
            then parts.stuck_pupils || ' of ' || parts.pupils || ' pupils are stuck'
        when parts.idle_points >= parts.developing_points
            then (parts.pupils - parts.active_pupils) || ' of ' || parts.pupils || ' pupils did no work in 7 days'
        else
            parts.developing_pairs || ' pupil-topic pairs still developing, ' || parts.mastered_pairs || ' mastered'
    end as attention_reason
from parts
