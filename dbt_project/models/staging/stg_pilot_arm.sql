select
    arm.pilot_id,
    arm.plan_hash,
    arm.school_id,
    arm.arm,
    coalesce(arm.wave, 1) as wave
from {{ source('gold', 'pilot_arm') }} as arm
