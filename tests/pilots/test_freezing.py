"""Freezing: late is recorded and said, an amendment after outcomes is marked, practice versions stand beside it all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from pilots import registry
from pilots.plan import Plan, load_plan
from pilots.practice import Practice
from tests.marts.pilot_sql import query

EXAMPLE = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"
BEFORE, INSIDE = datetime(2026, 8, 3, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)


def example() -> Plan:
    """The example without a rule for dosage."""
    raw = json.loads(load_plan(EXAMPLE).canonical)
    raw["implementation"].pop("dosage", None)
    return Plan(raw)


def changed(**analysis: Any) -> Plan:
    """The example with another analysis."""
    raw = json.loads(example().canonical)
    raw["analysis"] |= analysis
    return Plan(raw)


def practised(*versions: dict[str, str]) -> Plan:
    """The example with other practice versions."""
    raw = json.loads(load_plan(EXAMPLE).canonical)
    raw["implementation"]["practice"] = list(versions)
    return Plan(raw)


def test_frozen_late_is_not_refused_but_recorded(settings: Settings) -> None:
    assert registry.freeze(settings, load_plan(EXAMPLE), BEFORE)["is_late"] is False
    assert registry.freeze(settings, load_plan(EXAMPLE), INSIDE)["is_late"] is False, "it was frozen in time"
    late = Plan(dict(load_plan(EXAMPLE).raw) | {"pilot_id": "late-one"})
    result = registry.freeze(settings, late, INSIDE)
    assert (result["is_new"], result["is_late"]) == (True, True)
    assert registry.frozen_plan(settings, "late-one").is_late


def test_the_day_of_freezing_is_the_district_s(settings: Settings) -> None:
    """Four in the morning of the window's first day in UTC is the evening before it where the district is."""
    registry.freeze(settings, load_plan(EXAMPLE), datetime(2026, 10, 26, 4, tzinfo=UTC))
    assert not registry.frozen_plan(settings, "fraction-studio").is_late


def test_an_amendment_needs_a_reason_and_is_marked_where_outcomes_could_be_seen(settings: Settings) -> None:
    registry.freeze(settings, load_plan(EXAMPLE), BEFORE)
    fewer = changed(minimum_outcome_coverage_share=0.7)
    with pytest.raises(CairnError, match="--amend REASON"):
        registry.freeze(settings, fewer, BEFORE, amendment=" ")
    in_time = datetime(2026, 9, 1, tzinfo=UTC)
    assert registry.freeze(settings, fewer, in_time, amendment="one school tests late")["is_amendment"]
    arms = {arm: list(reversed(schools)) for arm, schools in fewer.analysis["arms"].items()}
    arms["treatment"], arms["comparison"] = arms["comparison"], arms["treatment"]
    swapped = Plan(dict(fewer.raw) | {"analysis": dict(fewer.analysis) | {"arms": arms}})
    assert registry.freeze(settings, swapped, INSIDE, amendment="the arms were mixed up")["is_late"]
    standing = registry.frozen_plan(settings, "fraction-studio")
    assert standing.plan_hash == swapped.plan_hash
    assert [(one.reason, one.is_after_outcomes) for one in standing.amendments] == [
        ("one school tests late", False),
        ("the arms were mixed up", True),
    ]
    rows = lake.read(settings, "gold.pilot_arm").to_pylist()
    assert {row["school_id"]: row["arm"] for row in rows if row["plan_hash"] == swapped.plan_hash} == swapped.arms
    # Back to the first analysis is an amendment too, and the one that counts.
    registry.freeze(settings, load_plan(EXAMPLE), INSIDE.replace(hour=1), amendment="they were not")
    assert registry.frozen_plan(settings, "fraction-studio").plan_hash == load_plan(EXAMPLE).plan_hash


def test_practice_changes_without_an_amendment_and_is_kept_with_what_was_learned(settings: Settings) -> None:
    first = {"from_date": "2026-08-31", "what": "as planned"}
    second = {"from_date": "2026-09-17", "what": "groups of four", "learned": "six are too many to hear"}
    assert registry.freeze(settings, practised(first), BEFORE)["practice_versions"] == 1
    assert registry.freeze(settings, practised(first), INSIDE)["practice_versions"] == 0
    later = [first | {"learned": "pupils wait for the page"}, second]
    result = registry.freeze(settings, practised(*later), INSIDE)
    assert (result["is_new"], result["is_late"], result["practice_versions"]) == (False, False, 2)
    assert registry.frozen_plan(settings, "fraction-studio").versions == (
        Practice(date(2026, 8, 31), "as planned", "pupils wait for the page"),
        Practice(date(2026, 9, 17), "groups of four", "six are too many to hear"),
    )


def beside(**implementation: Any) -> Plan:
    """The example with the same analysis and another practice part."""
    raw = json.loads(example().canonical)
    raw["implementation"] |= implementation
    return Plan(raw)


RULE = {"sources": ["tallypath"], "activity_types": ["attempt"], "minutes_per_event_max": 15}
MONEY = {"source": "grant of the state", "ends_on": "2027-06-30", "yearly_usd": 12000}


def test_what_changes_beside_the_analysis_is_stored_with_its_day_and_keys(settings: Settings) -> None:
    registry.freeze(settings, example(), BEFORE)
    september = datetime(2026, 9, 20, tzinfo=UTC)
    result = registry.freeze(settings, beside(dosage=RULE), september)
    assert (result["is_new"], result["changed"]) == (False, ["implementation.dosage"])
    assert registry.freeze(settings, beside(dosage=RULE), september)["changed"] == [], "the same again changes nothing"
    later = beside(dosage=RULE, funding=MONEY, dosage_minutes_planned=300)
    assert registry.freeze(settings, later, INSIDE)["changed"] == [
        "implementation.dosage_minutes_planned",
        "implementation.funding",
    ]
    standing = registry.frozen_plan(settings, "fraction-studio")
    assert (standing.plan.canonical, standing.frozen_at, standing.is_late) == (later.canonical, BEFORE, False)
    assert [(one.keys, one.is_after_outcomes) for one in standing.changes] == [
        (("implementation.dosage",), False),
        (("implementation.dosage_minutes_planned", "implementation.funding"), True),
    ]
    assert standing.recorded_at == INSIDE
    assert [one.what for one in standing.versions] == ["as planned"], "a change is no practice version"


def test_marts_read_the_plan_as_it_was_recorded_last(settings: Settings) -> None:
    """The frozen analysis with the newest practice part; an amendment begins anew."""
    registry.freeze(settings, example(), BEFORE)
    registry.freeze(settings, beside(dosage=RULE, dosage_minutes_planned=300), datetime(2026, 9, 20, tzinfo=UTC))

    def in_marts() -> tuple[Any, ...]:
        with duckdb.connect() as connection:
            for name in ("pilot_plan", "pilot_practice"):
                connection.register(f"gold_{name}", lake.read(settings, f"gold.{name}"))
            (row,) = connection.execute(
                "select dosage_sources, dosage_minutes_planned, dosage_source, title, plan_hash"
                f" from ({query('stg_pilot_plan')})"
            ).fetchall()
        return tuple(row)

    title = load_plan(EXAMPLE).title
    assert in_marts() == (["tallypath"], 300.0, "stream", title, load_plan(EXAMPLE).plan_hash)
    amended = changed(minimum_outcome_coverage_share=0.7)
    registry.freeze(settings, amended, datetime(2026, 9, 22, tzinfo=UTC), amendment="one school tests late")
    assert in_marts() == (None, 456.0, "files", title, amended.plan_hash)


def test_the_hypothesis_is_frozen_too(settings: Settings) -> None:
    """Its text is what the card answers, and its direction turns every sign; neither is changed in silence."""
    registry.freeze(settings, example(), BEFORE)
    raw = json.loads(load_plan(EXAMPLE).canonical)
    smaller = Plan(raw | {"hypothesis": raw["hypothesis"] | {"amount": "by 0.02 standard deviations"}})
    with pytest.raises(CairnError, match=r"differs in hypothesis\.amount\); restore it"):
        registry.freeze(settings, smaller, INSIDE)
    fall = Plan(raw | {"hypothesis": raw["hypothesis"] | {"direction": "fall"}})
    assert fall.plan_hash != load_plan(EXAMPLE).plan_hash
    with pytest.raises(CairnError, match=r"differs in analysis\.direction, hypothesis\.direction"):
        registry.freeze(settings, fall, INSIDE)
    result = registry.freeze(settings, smaller, INSIDE, amendment="the first was a slip of the pen")
    assert (result["is_amendment"], result["is_late"]) == (True, True)
    standing = registry.frozen_plan(settings, "fraction-studio")
    assert ("by 0.02" in standing.plan.hypothesis, len(standing.amendments)) == (True, 1)


def test_a_plan_frozen_by_an_earlier_version_is_read(settings: Settings, tmp_path: Path) -> None:
    """Rows without the columns of contract 1.1, and a plan without subject, grades or what it is for."""
    plan = changed()
    raw = json.loads(plan.canonical)
    for key in ("subject", "grades", "score_type"):
        del raw["analysis"][key]
    row = {"pilot_id": "old", "plan_hash": "h", "title": "Old", "plan_json": json.dumps(raw), "frozen_at": BEFORE}
    lake.append(settings, "gold.pilot_plan", [row])
    old = registry.frozen_plan(settings, "old")
    assert (old.amendments, old.versions, old.plan.grades, old.is_late) == ((), (), (), False)
