-- Groups as last published before the data date: a night that is run again goes on from where it went on from before.
select
    member.group_id,
    member.group_since_date,
    member.student_key,
    member.school_id,
    member.competency_id,
    member.joined_date
from {{ source('gold', 'group_member') }} as member
where
    member.data_date = (
        select max(earlier.data_date)
        from {{ source('gold', 'group_member') }} as earlier
        where earlier.data_date < {{ data_date() }}
    )
