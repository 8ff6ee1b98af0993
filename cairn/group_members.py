"""What groups are made of: who needs what, who stood in which group, whom the school has locked, who left and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cairn.language import noted

# Why a member left, in the words of a page.
REASONS = {
    "mastered": noted("mastered it"),
    "left_class": noted("left the class"),
    "not_needed": noted("does not need it any more"),
    "more_urgent": noted("is stuck on something more urgent"),
    "too_small": noted("the group was too small to go on"),
    "too_large": noted("the group was over its size"),
    "one_group": noted("is in another group"),
    "locked_elsewhere": noted("the school put her into another group"),
}


@dataclass(frozen=True)
class Need:
    """A competency that a pupil has not got yet and can be helped with. ``share``: expected right, 0 to 1."""

    student_key: str
    school_id: str
    class_id: str
    competency_id: str
    is_stuck: bool
    share: float


@dataclass(frozen=True)
class Standing:
    """A member of last night's groups, with how she stands now.

    ``class_now``: her class for the group's subject at the group's school, None where she has none any more;
    ``state_now``: her state on the competency, None where there is no evidence.
    """

    group_id: str
    group_since_date: date
    student_key: str
    school_id: str
    competency_id: str
    joined_date: date
    class_now: str | None
    state_now: str | None


@dataclass(frozen=True)
class Lock:
    """The school wants the pupil in a group on the competency; pupils of one class and competency stand together."""

    student_key: str
    school_id: str
    class_id: str
    competency_id: str


@dataclass(frozen=True)
class Member:
    """A place in one of tonight's groups."""

    group_id: str
    group_since_date: date
    student_key: str
    school_id: str
    class_id: str
    competency_id: str
    joined_date: date
    is_new: bool
    is_locked: bool


@dataclass(frozen=True)
class Left:
    """Who was in a group last night and is not any more, with a reason of :data:`REASONS`."""

    group_id: str
    student_key: str
    school_id: str
    competency_id: str
    reason: str
