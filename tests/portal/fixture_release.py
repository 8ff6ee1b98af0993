"""A small published release pair with exactly the mart columns, for pages and feeds without Spark or dbt.

Three schools (``school-a`` in good order, ``school-b`` held back, ``school-c`` with a silent source), thirty-two pupils
each, two pilots. The files lie where ``releases.store`` expects them.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cairn.settings import Settings
from identity.vault import Vault
from loading.judgements import Judgement, say
from releases.store import Release, save, swap
from tests.portal.fixture_pilots import PILOTS, ROLLOUT_TABLES, freeze_plans, rollout_parts, scorecard
from tests.portal.fixture_tables import FRESHNESS, NEWS, TABLES

DATA_DATE = date(2026, 10, 14)
LEARNING_ID = "learning-2026-10-14-1"
SHOWN_ID = "learning-2026-10-13-1"
BUILT_AT = datetime(2026, 10, 15, 7, 40, tzinfo=UTC)
# What the mart of competencies says in its columns of percentages, which nobody may print.
NOT_PUBLISHED = "percentage of the mart"
HELD_REASON = "accepted share fell below the school's usual"
EVALUATION_ID = "evaluation-2026-10-14-1"
# The teacher of the class of rooms "Grade 4" in school-a.
TEACHER = "teacher-0-0"
SCHOOLS = {"school-a": "Aspen Grove Elementary", "school-b": "Birch Hill Elementary", "school-c": "Cottonwood Middle"}
COMPETENCIES = [
    ("comp-1", "3.OA.7", "Multiply and divide within 100 with ease", "Mathematics"),
    ("comp-2", "4.NF.2", "Compare two fractions", "Mathematics"),
    ("comp-3", "4.NF.3", "Add and subtract fractions with like denominators", "Mathematics"),
    ("comp-4", "5.NF.1", "Add fractions with unlike denominators", "Mathematics"),
]
PUPILS_PER_SCHOOL = 32
# One word of a teacher: on what, and the columns that marts have of it.
SAID_DATE = date(2026, 10, 13)
WORD_ON = (0, 0, "comp-2")
WORD = ("mastered", "school_leader", SAID_DATE, None, "seen_in_class", "word-1")
NO_WORD = (None,) * len(WORD)
GIVEN = ["Ada", "Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ines", "Jo", "Kai", "Lena", "Milo", "Nora", "Omar"]
FAMILY = ["Abara", "Brandt", "Castellanos", "Dvorak", "Eriksen", "Fontaine", "Grzelak", "Haddad", "Ishikawa"]


def register_people(settings: Settings) -> dict[str, str]:
    """Pupils and teachers into a real vault; returns sourcedId -> key."""
    people = [
        {"sourced_id": sourced(school, number), "given_name": given, "family_name": family}
        for school in range(len(SCHOOLS))
        for number in range(PUPILS_PER_SCHOOL)
        for given, family in [pupil_name(school, number)]
    ]
    people += [
        {"sourced_id": f"teacher-{school}-{room}", "given_name": "Robin", "family_name": f"Teacher{school}{room}"}
        for school in range(len(SCHOOLS))
        for room in range(2)
    ]
    return Vault(settings).register(people)


def sourced(school: int, number: int) -> str:
    """The sourcedId of pupil ``number`` (from 0) of school ``school`` (from 0)."""
    return f"pupil-{school}-{number:03d}"


def pupil_name(school: int, number: int) -> tuple[str, str]:
    """Given and family name of that pupil in the fixture's vault."""
    position = school * PUPILS_PER_SCHOOL + number
    return GIVEN[position % len(GIVEN)], FAMILY[position % len(FAMILY)]


def _at(days_ago: int, hour: int = 15) -> datetime:
    return datetime(DATA_DATE.year, DATA_DATE.month, DATA_DATE.day, hour, 42, tzinfo=UTC) - timedelta(days=days_ago)


def _class(school_id: str, number: int) -> tuple[str, str]:
    room = number % 2 + 1
    return f"{school_id}-class-{room}", f"Grade {room + 3}, room {room}"


def _pupil_rows(keys: dict[str, str], school: int, school_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """Rows about single pupils of one school."""
    rows: dict[str, list[tuple[Any, ...]]] = {
        name: []
        for name in (
            "mart_student_competency",
            "mart_override",
            "mart_student_rollup",
            "mart_student_carried",
            "mart_student_decision",
            "mart_needs_adult",
            "mart_review_due",
            "mart_moves_on",
            "mart_change",
            "mart_action_followup",
        )
    }
    reasons = ("wheel_spinning", "slipping", "silent")
    states = ("mastered", "developing", "not_enough_evidence", "review_due")
    for number in range(PUPILS_PER_SCHOOL):
        key = keys[sourced(school, number)]
        class_id, class_title = _class(school_id, number)
        head = (school_id, class_id, class_title, key)
        for index, (competency_id, code, title, subject) in enumerate(COMPETENCIES):
            state = states[(number + index) % 4]
            word = WORD if (school, number, competency_id) == WORD_ON else NO_WORD
            stuck = state == "developing" and number % 3 == 0 and not word[0]
            share = 0.35 + 0.15 * ((number + index) % 4)
            rows["mart_student_competency"].append(
                (
                    *head,
                    competency_id,
                    code,
                    title,
                    subject,
                    state,
                    share,
                    share - 0.12,
                    share + 0.1,
                    6 + number % 9,
                    _at(number % 6),
                    _at(3 + number % 6),
                    stuck,
                    "wheel_spinning" if stuck else None,
                    "share-1",
                    "p-1",
                    *word,
                )
            )
            if word[0]:
                beside = (*head, competency_id, code, title, *word, state, share, share - 0.12, share + 0.1, True)
                rows["mart_override"].append(beside)
        area = ("area-nf", "NF", "Number and operations: fractions", "Mathematics", 9, 1, "developing", 0.62, 0.5, 0.71)
        own = ("mastered", 0.93) if number == 0 else (None, None)
        rows["mart_student_rollup"].append((school_id, key, *area, 4, 3, 3, 1, number % 3 == 0, number == 0, *own))
        if number == 0:
            match = ("comp-9", "NF.9", "Fractions as numbers", "Mathematics", "mastered", 0.84, 0.7, 0.95)
            rows["mart_student_carried"].append(
                (school_id, key, *match, "comp-2", "4.NF.2", "exactMatchOf", 0.95, _at(9))
            )
        decision = (f"d-{school}-{number}", _at(1), "developing", "mastered", 9, "share-1", "p-1", DATA_DATE)
        decision += ("computed", None, None, None)
        rows["mart_student_decision"].append((school_id, key, "comp-1", *decision))
        competency = COMPETENCIES[number % 3][:3]
        following = COMPETENCIES[number % 3 + 1][:3]
        if number % 3 == 0:
            reason = reasons[(number // 3) % 3]
            is_old = reason == "silent" or number % 4 == 3
            order = (is_old, number % 2, *following, 0.5, 100 - number, number % 4 != 3)
            rows["mart_needs_adult"].append(
                (
                    *head,
                    *competency,
                    reason,
                    "14 tries without three right in a row",
                    14,
                    None if reason == "silent" else 0.41,
                    _at(20 if is_old else 1),
                    *order,
                    None,
                    None,
                )
            )
        if number % 6 == 4:
            rows["mart_review_due"].append((*head, *competency, 9, 0.78, 0.6, 0.9, _at(70), _at(10), None, None))
        if number % 4 == 1:
            rows["mart_moves_on"].append((*head, *competency, _at(0), 0.91, 0.8, 0.97, *following, False, None))
        if number % 5 == 2:
            rows["mart_change"].append(
                (
                    *head,
                    *competency,
                    *NEWS[number % 4][:2],
                    _at(0),
                    f"decision-{school}-{number}",
                    DATA_DATE - timedelta(days=int(school == 1)),
                    NEWS[number % 4][2],
                )
            )
        if number % 8 == 3:
            rows["mart_action_followup"].append(
                (school_id, DATA_DATE - timedelta(days=1), "small_group", key, *competency[:2], "developing")
                + (
                    ("mastered", True, "worked")
                    if number % 16 == 3
                    else ("developing", number == 11, "not_yet" if number == 11 else "waiting")
                )
                + ((5, 4, 12, 0.58, 0.5, 0.66, 0.05) if number % 16 == 3 else (0, 0, None, None, None, None, None))
            )
    return rows


def _group_rows(school_id: str, room: int, keys: list[str]) -> list[tuple[Any, ...]]:
    """Four members, the last of them new, and one who has left; the second room's group is locked."""
    group = (school_id, f"{school_id}-group-{room}")
    topic, began = COMPETENCIES[room + 1][:3], DATA_DATE - timedelta(days=7)
    rows: list[tuple[Any, ...]] = []
    for place, key in enumerate(keys[:4]):
        joined = DATA_DATE if place == 3 else began
        state = (True, place == 3, room == 1, None, place == 0, 0.4, began, joined)
        rows.append((*group, key, *_class(school_id, room), *topic, *state))
    return [*rows, (*group, keys[4], None, None, *topic, False, False, False, "mastered", False, 0.9, None, None)]


def _school_rows(
    people: dict[str, str], school: int, school_id: str, is_held: bool, silent: int
) -> dict[str, list[tuple[Any, ...]]]:
    """Rows about one school and its classes."""
    held_reason = HELD_REASON if is_held else None
    days = [DATA_DATE - timedelta(days=back) for back in range(20) if (DATA_DATE - timedelta(days=back)).weekday() < 5]
    keys = [people[sourced(school, number)] for number in range(PUPILS_PER_SCHOOL)]
    trust = (school_id, DATA_DATE, 1240, 1201, 20, 0, 15, 4, 0, _at(0), silent, "reading-app" if silent else None)
    term = ("Fall semester", date(2027, 1, 15))
    class_plan = ("Mathematics", 16, 64, 20, 3, 0.3125, 0.17, 0.4, 2.1, *term, 3, 2.5)
    return {
        "mart_school": [(school_id, SCHOOLS[school_id], PUPILS_PER_SCHOOL, 2, is_held, held_reason)],
        "mart_school_trust": [(*trust, 1 if is_held else 0, is_held, 12)],
        "mart_class_attention": [
            (
                *(school_id, *_class(school_id, room)),
                "Mathematics",
                people[f"teacher-{school}-{room}"],
                16,
                15 - 3 * room,
                240,
                30,
                20,
                3 + 2 * room,
                4,
                0.4 + room / 4,
                "5 of 32 pupils are stuck" if room else "nothing stands out",
            )
            for room in range(2)
        ],
        # The teacher of the second room takes part in the first.
        "mart_class_teacher": [
            (school_id, _class(school_id, room)[0], people[f"teacher-{school}-{teacher}"], date(2026, 8, 17))
            for room, teacher in ((0, 0), (1, 1), (0, 1))
        ],
        "mart_class_pace": [
            (
                school_id,
                *_class(school_id, 0),
                *class_plan,
                "projected",
                *(date(2027, month, 11) for month in (3, 2, 5)),
            ),
            (school_id, *_class(school_id, 1), *class_plan, "too_early", None, None, None),
        ],
        "mart_group_member": [
            row for room in range(2) for row in _group_rows(school_id, room, keys[room * 8 : room * 8 + 10 : 2])
        ],
        "mart_school_day": [
            (school_id, day, 90 + 13 * (day.day % 7), 60 + 9 * (day.day % 7), 20 + day.day % 9) for day in days
        ],
        "mart_rollout_school": [
            (
                "pilot-fractions",
                school_id,
                SCHOOLS[school_id],
                school + 1,
                32,
                30 - school,
                84.5,
                0.9 - school / 10,
                4,
                3,
                school,
                1600.0,
                53.33,
            )
        ],
        "mart_action_school": [(school_id, 4, 4, 3, 3, *[None] * 6)],
        "mart_intake_ledger": [(DATA_DATE, "math-app", school_id, 1240, 1201, 20, 0, 15, 4, 0)],
        "mart_source_freshness": [(school_id, *one) for one in FRESHNESS[: 1 + silent]],
        "mart_intake_attribution": [(DATA_DATE, "math-app", school_id, 1201, 6, 5, 4, 1186)],
        "mart_gate_result": [
            (
                "before_publish",
                "accepted_share",
                "school",
                school_id,
                "holds_scope",
                not is_held,
                1240,
                39 if is_held else 0,
                ["0f8fad5b-d9cb-469f-a165-70867728950e"] if is_held else [],
                "Share of accepted statements below the usual; look at the rejected ones.",
                _at(-1, 2),
                DATA_DATE,
            )
        ],
    }


def _write_database(path: Path, tables: dict[str, str], rows: dict[str, list[tuple[Any, ...]]]) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'")
        for name, columns in tables.items():
            connection.execute(f"create table {name} ({columns})")
            if rows.get(name):
                # One statement a table: row by row takes a millisecond each.
                mark = "(" + ", ".join("?" for _ in rows[name][0]) + ")"
                values = [value for row in rows[name] for value in row]
                connection.execute(f"insert into {name} values {', '.join([mark] * len(rows[name]))}", values)


def _release(settings: Settings, kind: str, release_id: str, based_on: str | None = None) -> Release:
    """A release with a folder to put its database into."""
    folder = settings.releases_dir / kind / release_id
    folder.mkdir(parents=True)
    return Release(
        release_id=release_id,
        kind=kind,
        data_date=DATA_DATE,
        built_at=BUILT_AT,
        published_at=BUILT_AT,
        path=folder / "warehouse.duckdb",
        held=[{"school_id": "school-b", "reason": HELD_REASON, "shown_release_id": SHOWN_ID}] if not based_on else [],
        based_on=based_on,
    )


def _publish(settings: Settings, release: Release) -> None:
    save(release)
    swap(settings, release)


def publish_fixture(settings: Settings) -> dict[str, str]:
    """Write the release pair into ``settings.home`` and make it current; returns sourcedId -> key of the people."""
    people = register_people(settings)
    school, number, competency_id = WORD_ON
    word = Judgement(
        student_key=people[sourced(school, number)],
        competency_id=competency_id,
        said="mastered",
        said_date=SAID_DATE,
        role="school_leader",
        source="page",
        reason="seen_in_class",
    )
    say(settings, [word], BUILT_AT - timedelta(days=1))
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for school, school_id in enumerate(SCHOOLS):
        parts = (
            _pupil_rows(people, school, school_id),
            _school_rows(people, school, school_id, school == 1, int(school == 2)),
        )
        for part in parts:
            for name, found in part.items():
                rows.setdefault(name, []).extend(found)
    # Nobody reads percentages but from the published tables: these would be seen.
    rows["mart_district_competency"] = [(*item, 96, NOT_PUBLISHED, NOT_PUBLISHED) for item in COMPETENCIES]
    rows["mart_action_kind"] = [
        ("reteach", None, None, None, None, None, None, None),
        ("small_group", 24, 18, 0.71, 0.6, 0.11, -0.02, 0.24),
    ]
    rows["mart_competency_resource"] = [
        (key, place, f"{code} {kind}", f"https://resources.example/{key}/{kind}", kind, minutes)
        for key, code, *_ in COMPETENCIES[:3]
        for place, (kind, minutes) in enumerate((("lesson", 20), ("practice", None)), start=1)
    ]
    learning = _release(settings, "learning", LEARNING_ID)
    _write_database(learning.path, TABLES, rows)
    _publish(settings, learning)
    hashes = freeze_plans(settings)
    cards = [
        scorecard(pilot_id, said, hashes[pilot_id], LEARNING_ID, DATA_DATE.isoformat())
        for pilot_id, said in PILOTS.items()
    ]
    evaluation_tables = {
        "pilot_scorecard": "pilot_id varchar, plan_hash varchar, scorecard_json varchar",
        "rollout_metric": "pilot_id varchar, name varchar, value double, unit varchar, scope varchar",
        "rollout_school": TABLES["mart_rollout_school"],
        **ROLLOUT_TABLES,
    }
    evaluation = _release(settings, "evaluation", EVALUATION_ID, LEARNING_ID)
    _write_database(
        evaluation.path,
        evaluation_tables,
        {
            "pilot_scorecard": [(card["pilot_id"], card["plan_hash"], json.dumps(card)) for card in cards],
            "rollout_metric": [
                ("pilot-fractions", "pupils_reached", 87.0, "pupils", "pilot:pilot-fractions"),
                ("pilot-fractions", "dosage_met_share", 0.8, "share", "pilot:pilot-fractions"),
                ("pilot-fractions", "milestones_late", 3.0, "milestones", "pilot:pilot-fractions"),
                ("pilot-fractions", "cost_per_pupil_usd", 53.33, "usd", "pilot:pilot-fractions"),
            ],
            "rollout_school": rows["mart_rollout_school"],
            **rollout_parts(DATA_DATE),
        },
    )
    _publish(settings, evaluation)
    return people
