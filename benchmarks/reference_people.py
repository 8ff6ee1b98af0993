"""Who and what the reference district has beside roster and results: teachers, names in the vault, competencies.

Added to the district of ``benchmarks.pilots_twenty_district``. Names are the simulator's invented words. Everything is
drawn from one seed; keys of people are those of that district, so that two homes hold the same people under the same
keys (only what seals and hashes them is each home's own).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

import lake
from benchmarks import pilots_twenty_district as twenty
from cairn.keys import DistrictKeys
from cairn.sealing import Sealer
from cairn.settings import Settings
from identity.claims import iso
from identity.crosswalk import SOURCED_ID
from identity.vault import KEPT_FIELDS
from identity.vault_file import Store
from simulator import naming

COMPETENCIES_A_GRADE = (34, 33)
COMPETENCIES = sum(COMPETENCIES_A_GRADE[grade % 2] for grade in twenty.GRADES) * len(twenty.SUBJECTS) - 2
FRAMEWORK = "reference"
VERBS = ("Compare", "Explain", "Represent", "Interpret", "Solve problems with", "Estimate", "Describe", "Apply")
TOPICS = {
    "math": ("fractions on a number line", "equal groups", "ratios in tables", "area of polygons", "negative numbers"),
    "reading": ("the main idea of a text", "word parts", "an author's point of view", "evidence for a claim", "themes"),
}
RESOURCES_A_COMPETENCY = 2
TEACHER_PREFIX = "t"


def teachers() -> np.ndarray:
    """Numbers of the teachers: one for each class of mathematics, who has the same pupils in reading."""
    return np.arange(twenty.PUPILS // twenty.CLASS_SIZE)


def competency_ids() -> list[str]:
    """Ids of the competencies, by subject, grade and place: as many in a grade as make 400 in all."""
    return [
        one for subject in range(len(twenty.SUBJECTS)) for grade in twenty.GRADES for one in of_grade(subject, grade)
    ]


def of_grade(subject: int, grade: int) -> list[str]:
    """Ids of a grade's competencies in the order in which they are taught."""
    count = COMPETENCIES_A_GRADE[grade % 2] - (grade == twenty.GRADES[-1])
    return [f"{twenty.SUBJECTS[subject][0].upper()}.{grade}.{place:02d}" for place in range(1, count + 1)]


def write(settings: Settings, rng: np.random.Generator) -> None:
    """Teachers, names, competencies with what comes before what, and resources."""
    _teachers(settings)
    _framework(settings)
    _names(settings, rng)


def _teachers(settings: Settings) -> None:
    numbers = teachers()
    a_school = len(numbers) // twenty.SCHOOLS
    schools = pa.array([f"sch-{one // a_school:03d}" for one in numbers.tolist()])
    keys = twenty.ids(TEACHER_PREFIX, numbers)
    people = {"student_key": keys, "role": "teacher", "school_id": schools}
    twenty.append(settings, "silver.person", people | {"is_enabled": True, "status": "active"})
    for subject in twenty.SUBJECTS:
        rows = {"enrollment_id": twenty.ids(f"et-{subject}-", numbers), "student_key": keys, "school_id": schools}
        rows |= {"class_id": twenty.ids(f"cls-{subject}-", numbers), "role": "teacher"}
        twenty.append(settings, "silver.enrollment", rows | {"valid_from_date": twenty.TERM, "status": "active"})


def _framework(settings: Settings) -> None:
    rows, edges, resources = [], [], []
    for number, subject in enumerate(twenty.SUBJECTS):
        before: list[str] = []
        for grade in twenty.GRADES:
            names = of_grade(number, grade)
            for place, name in enumerate(names):
                title = f"{VERBS[place % len(VERBS)]} {TOPICS[subject][place // len(VERBS)]}, part {grade - 2}"
                rows.append(
                    {
                        "competency_id": name,
                        "framework_id": FRAMEWORK,
                        "code": name,
                        "title": title,
                        "full_statement": title,
                        "subject": subject,
                        "education_level": f",{grade:02d},",
                        "is_leaf": True,
                        "sequence": grade * 100 + place,
                        "recorded_from": twenty.RECORDED,
                    }
                )
                # The one before it in its grade, and the one at its place in the grade before.
                needed = names[place - 1 : place] if place else []
                edges += [(one, name) for one in (*needed, *before[place : place + 1])]
                resources += [(name, title, turn) for turn in range(1, RESOURCES_A_COMPETENCY + 1)]
            before = names
    lake.append(settings, "silver.competency", rows)
    lake.append(
        settings,
        "silver.competency_edge",
        [
            {
                "edge_id": f"{one}>{other}",
                "framework_id": FRAMEWORK,
                "from_competency_id": one,
                "to_competency_id": other,
                "edge_type": "precedes",
                "recorded_from": twenty.RECORDED,
            }
            for one, other in edges
        ],
    )
    lake.append(
        settings,
        "silver.competency_resource",
        [
            {
                "competency_id": name,
                "resource_url": f"https://resources.example/{name}/{turn}",
                "sequence": turn,
                "resource_title": f"{title}: lesson {turn}",
                "kind": "lesson",
                "minutes": 15 + 5 * turn,
                "recorded_from": twenty.RECORDED,
            }
            for name, title, turn in resources
        ],
    )


def _names(settings: Settings, rng: np.random.Generator) -> None:
    """Names of pupils and teachers into the vault, under the roster's own keys and not under drawn ones."""
    keys = [*twenty.ids("p", np.arange(twenty.PUPILS)).to_pylist(), *twenty.ids("t", teachers()).to_pylist()]
    given, family, usernames = naming.people(len(keys), rng)
    store, sealer, district = Store(settings.vault_dir), Sealer(settings), DistrictKeys.load(settings)
    at = iso(datetime.now(UTC))

    def row(key: str, person: Sequence[str]) -> tuple[object, ...]:
        known = dict(zip(("given_name", "family_name", "username"), person, strict=True)) | {"sourced_id": f"src-{key}"}
        fields = json.dumps({name: known.get(name, "") for name in KEPT_FIELDS}).encode()
        source = district.subject_key(SOURCED_ID, known["sourced_id"])
        return key, source, sealer.seal(fields, key.encode()), district.content_hash(fields), at, at

    people = zip(given, family, usernames, strict=True)
    with store.transaction() as connection:
        rows = (row(key, person) for key, person in zip(keys, people, strict=True))
        connection.executemany("INSERT INTO person VALUES (?,?,?,?,?,?)", rows)
