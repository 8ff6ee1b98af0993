"""The roster of the small lake: two schools, three classes, five pupils; and how its rows are written.

The data date is Wednesday 2026-10-14. North has two classes (mathematics and reading), South one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings

DATA_DATE = date(2026, 10, 14)
KNOWN = datetime(2026, 8, 1, tzinfo=UTC)
TERM = date(2026, 8, 17)
PLAN_HASH = "0" * 64
ALPHA, BETA, GAMMA = "k-alpha", "k-beta", "k-gamma"
# Alpha, beta and omega, which matches alpha, are parts of a cluster, that and gamma of a domain; old is replaced.
CLUSTER, DOMAIN, OMEGA, OLD = "k-cluster", "k-domain", "k-omega", "k-old"


def at(text: str) -> datetime:
    """An instant of 2026 in UTC: ``"10-14 15:00"``."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def day(text: str) -> date:
    """A day of 2026: ``"10-14"``."""
    return date.fromisoformat(f"2026-{text}")


def put(settings: Settings, name: str, rows: list[dict[str, Any]]) -> None:
    """Append rows; required columns that a mart never reads are filled with something of their type."""
    filler: dict[str, Any] = {"string": "-", "int": 0, "bigint": 0, "double": 0.0, "boolean": False}
    filler |= {"date": DATA_DATE, "timestamp": KNOWN, "array<string>": [], "array<bigint>": [], "array<double>": []}
    required = {column.name: filler[column.type] for column in load_contract(name).columns if column.is_required}
    lake.append(settings, name, [{**required, **row} for row in rows])


def known(**columns: Any) -> dict[str, Any]:
    """A row of a two-time table, recorded in August and current."""
    return {**columns, "recorded_from": KNOWN, "recorded_to": None}


def roster(settings: Settings) -> None:
    """Two schools; p1-p3 at North, p4-p5 at South; p3 left and came back on one day; p5 moved from North."""
    put(
        settings,
        "silver.org",
        [
            known(org_id=f"s-{name.lower()}", name=name, org_type="school", status="active")
            for name in ("North", "South")
        ]
        # North had another name, as known until September.
        + [
            {
                **known(org_id="s-north", name="Old North", org_type="school", status="active"),
                "recorded_from": datetime(2026, 7, 1, tzinfo=UTC),
                "recorded_to": KNOWN,
            }
        ],
    )
    put(settings, "silver.course", [known(course_id="co", title="C", subject="mathematics", status="active")])
    classes = [
        ("c-nm", "North maths", "s-north", "Mathematics"),
        ("c-nr", "North reading", "s-north", "Reading"),
        ("c-sm", "South maths", "s-south", None),
    ]
    put(
        settings,
        "silver.class_section",
        [
            known(class_id=c, title=t, course_id="co", school_id=s, subject=subject, status="active")
            for c, t, s, subject in classes
        ],
    )
    people = [("p1", "s-north"), ("p2", "s-north"), ("p3", "s-north"), ("p4", "s-south"), ("p5", "s-south")]
    put(
        settings,
        "silver.person",
        [
            known(student_key=p, role="student", school_id=s, grade="05", is_enabled=True, status="active")
            for p, s in people
        ]
        + [
            known(student_key=key, role="teacher", school_id="s-north", is_enabled=True, status="active")
            for key in ("t1", "t2")
        ],
    )
    # Of p3 to p5 nothing is reported; what p2 was before is known no more.
    subgroups = [known(student_key="p1", sex="female", is_english_learner=True)]
    subgroups += [known(student_key="p2", sex="male", is_english_learner=False)]
    before = {"recorded_from": datetime(2026, 7, 1, tzinfo=UTC), "recorded_to": KNOWN}
    put(settings, "silver.demographic", [*subgroups, {**subgroups[1], "is_english_learner": True, **before}])
    periods = [
        ("p1", "c-nm", "s-north", TERM, None),
        ("p1", "c-nr", "s-north", day("09-01"), None),
        ("p2", "c-nm", "s-north", TERM, None),
        ("p3", "c-nm", "s-north", TERM, DATA_DATE),
        ("p3", "c-nm", "s-north", DATA_DATE, None),
        ("p4", "c-sm", "s-south", None, None),
        ("p5", "c-nm", "s-north", TERM, day("09-30")),
        ("p5", "c-sm", "s-south", day("10-01"), None),
    ]
    put(
        settings,
        "silver.enrollment",
        [
            known(
                enrollment_id=f"e{number}",
                student_key=pupil,
                class_id=class_id,
                school_id=school,
                role="student",
                valid_from_date=first,
                valid_to_date=last,
                status="active",
            )
            for number, (pupil, class_id, school, first, last) in enumerate(periods)
        ]
        + [
            known(
                enrollment_id=f"e{teacher}",
                student_key=teacher,
                class_id="c-nm",
                school_id="s-north",
                role="teacher",
                valid_from_date=first,
                status="active",
            )
            for teacher, first in (("t1", TERM), ("t2", day("09-30")))
        ],
    )
    put(
        settings,
        "silver.competency",
        [
            known(
                competency_id=key,
                framework_id="f",
                code=key[2:].upper(),
                title=f"Title {key[2:]}",
                full_statement="-",
                subject="mathematics",
                is_leaf=key not in (CLUSTER, DOMAIN),
                sequence=number,
            )
            for number, key in enumerate((ALPHA, BETA, GAMMA, CLUSTER, DOMAIN, OMEGA, OLD))
        ],
    )
    resources = [(2, "Practice", None), (1, "Lesson", 20)]
    put(
        settings,
        "silver.competency_resource",
        [
            known(
                competency_id=ALPHA,
                sequence=place,
                resource_title=title,
                resource_url=f"https://a.example/{place}",
                minutes=minutes,
            )
            for place, title, minutes in resources
        ],
    )
    put(
        settings,
        "silver.competency_edge",
        [
            known(edge_id=f"edge-{number}", framework_id="f", from_competency_id=a, to_competency_id=b, edge_type=kind)
            for number, (a, kind, b) in enumerate(
                [
                    (ALPHA, "precedes", GAMMA),
                    (ALPHA, "isChildOf", CLUSTER),
                    (BETA, "isChildOf", CLUSTER),
                    (OMEGA, "isChildOf", CLUSTER),
                    (OLD, "isChildOf", CLUSTER),
                    (CLUSTER, "isChildOf", DOMAIN),
                    (GAMMA, "isChildOf", DOMAIN),
                    (OMEGA, "exactMatchOf", ALPHA),
                    (OLD, "replacedBy", ALPHA),
                ]
            )
        ],
    )
