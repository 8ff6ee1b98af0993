"""Which classes and pupils are an account's own, by the marts of the release that the page shows.

A school leader's are her school's, a teacher's those of the classes that the roster gives her on the release's day.
Everybody else has none: the central office gives a reason first (``portal.pages_named``).
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

from answers.accounts import Account
from answers.pinned_releases import Opened
from cairn.language import noted

Row = dict[str, Any]
NOT_YOURS = {
    "school_leader": noted("Your account opens your own school only."),
    "teacher": noted("Your account opens your own classes only."),
}
NOBODYS = noted("Your account does not open this page.")
CLASSES = """
select school_id, class_id, class_title, subject from mart_class_attention
where {condition} order by class_title, class_id"""
SCHOOLS = "school_id = ?"
# All who teach a class; a release of before there was such a mart names one of them.
ALL_TEACHERS = "class_id in (select class_id from mart_class_teacher where teacher_key = ?)"
ONE_TEACHER = "teacher_key = ?"
# A pupil is of a class by her competencies: one without any has no page.
PUPIL = """
select distinct school_id, class_id from mart_student_competency where student_key = ? order by school_id, class_id"""


def own_classes(release: Opened, account: Account) -> list[Row]:
    """``school_id``, ``class_id``, ``class_title`` and ``subject`` of the account's own classes, by title."""
    if account.role == "school_leader":
        return release.rows(CLASSES.format(condition=SCHOOLS), [account.school_id])
    if account.role == "teacher":
        condition = ALL_TEACHERS if release.has_table("mart_class_teacher") else ONE_TEACHER
        return release.rows(CLASSES.format(condition=condition), [account.teacher_key])
    return []


def require_class(release: Opened, account: Account, school_id: str, class_id: str) -> None:
    """Raises HTTPException 403 where the class is none of the account's own, alike whether it exists or not."""
    if not any((row["school_id"], row["class_id"]) == (school_id, class_id) for row in own_classes(release, account)):
        raise HTTPException(403, NOT_YOURS.get(account.role, NOBODYS))


def require_pupil(release: Opened, account: Account, student_key: str) -> str:
    """The school in which the pupil is the account's own: of her school, or of one of her classes.

    Raises HTTPException 403 for any other key, alike whether it exists or not.
    """
    places = release.rows(PUPIL, [student_key])
    if account.role == "school_leader":
        own = [row["school_id"] for row in places if row["school_id"] == account.school_id]
    else:
        classes = {(row["school_id"], row["class_id"]) for row in own_classes(release, account)}
        own = [row["school_id"] for row in places if (row["school_id"], row["class_id"]) in classes]
    if not own:
        raise HTTPException(403, NOT_YOURS.get(account.role, NOBODYS))
    return str(own[0])
