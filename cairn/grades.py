"""Grades as they are compared and sorted; what the roster sent is kept beside it.

Codes of the field (CEDS 000126) and what systems make of them: KG, K and 0K are one grade, 04 and 4 are one. The macro
``grade_key`` says the same in SQL, and a test holds the two together.
"""

from __future__ import annotations

import re

KINDERGARTEN, TRANSITIONAL, BEFORE = "K", "TK", "PK"
# Without leading zeros and in capitals; "" is what is left of 0 and 00, as some systems count kindergarten.
SAME_GRADE = {
    "": KINDERGARTEN,
    "KG": KINDERGARTEN,
    "KN": KINDERGARTEN,
    "KINDERGARTEN": KINDERGARTEN,
    "PREK": BEFORE,
    "PRE-K": BEFORE,
    "PRE-KINDERGARTEN": BEFORE,
    "PREKINDERGARTEN": BEFORE,
}
# A number as people and spreadsheets write it: Grade 04, Gr. 4, 4th, 4th grade, 4.0.
_WRITTEN = re.compile(r"^(GRADE|GR\.?)?\s*([0-9]+)(\.0+|ST|ND|RD|TH)?(\s*GRADE)?$")
_BEFORE_FIRST = (BEFORE, TRANSITIONAL, KINDERGARTEN)


def grade_key(grade: object) -> str:
    """A grade as it is compared, 5 for 05 and K for KG; empty where there is none."""
    text = "" if grade is None else str(grade).strip()
    bare = _WRITTEN.sub(r"\2", text.upper()).lstrip("0")
    return SAME_GRADE.get(bare, bare) if text else ""


def grade_order(grade: object) -> tuple[int, int, str]:
    """By which grades are sorted: before kindergarten, kindergarten, the numbers, anything else by its name."""
    key = grade_key(grade)
    if key in _BEFORE_FIRST:
        return (0, _BEFORE_FIRST.index(key), "")
    return (1, int(key), "") if key.isdecimal() else (2, 0, key)
