"""Loading the district's files: parse (cairn), people to keys (identity), rows to history (lake).

Each ``load_*`` returns the keys of its command's ``--json`` and, beside them, ``problems``: the first rows refused, as
``file:line: reason``. A DAG task and a person's command call the same function. Bad rows are counted and the rest
goes on; a file that cannot be taken at all raises CairnError and changes nothing.
"""

from loading.by_layout import load_assessments, load_facts
from loading.competencies import load_competencies
from loading.items import list_unaligned, load_items
from loading.people import one_student, register_people
from loading.resources import load_resources
from loading.roster import load_roster
from loading.same_person import link_student, merge_students, rotate_key, split_students

__all__ = [
    "link_student",
    "list_unaligned",
    "load_assessments",
    "load_competencies",
    "load_facts",
    "load_items",
    "load_resources",
    "load_roster",
    "merge_students",
    "one_student",
    "register_people",
    "rotate_key",
    "split_students",
]
