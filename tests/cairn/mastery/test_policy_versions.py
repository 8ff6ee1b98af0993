"""Policies by subject and date: what a file may list, what is in force when, and how a mistake is named."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from cairn.district import EXAMPLES
from cairn.errors import CairnError
from cairn.mastery.config import config_from, load_config
from cairn.mastery.policy_versions import EVER, THRESHOLDS, PolicyVersion, policies_from
from cairn.settings import REPOSITORY, Settings

EVIDENCE: dict[str, Any] = yaml.safe_load((EXAMPLES / "evidence.yaml").read_text())
POLICY: dict[str, Any] = yaml.safe_load((EXAMPLES / "policy.yaml").read_text())
ZONE = ZoneInfo("America/Chicago")
STRICT = {"mastered": {"share": 0.95, "floor": 0.8, "chance": 0.9}}


def listed(*versions: dict[str, Any]) -> dict[str, Any]:
    """A file of versions, each the example's thresholds but for what is said of it."""
    one = {name: POLICY[name] for name in THRESHOLDS}
    whole = [{"id": f"v{place}", **deepcopy(one), **changes} for place, changes in enumerate(versions)]
    return {"policy": "share", "interval": POLICY["interval"], "versions": whole}


def names(found: tuple[PolicyVersion, ...]) -> list[str]:
    return [one.name for one in found]


def at_us(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]


def test_a_file_of_one_policy_is_one_version_for_all_times() -> None:
    config = config_from(EVIDENCE, POLICY)
    [one] = config.policies
    assert (one.subject, one.effective_from, one.begins_us) == ("", None, EVER)
    assert config.policy_version == one.version
    assert config.timeline("math") == config.policies


def test_a_list_of_that_one_policy_has_the_same_version() -> None:
    """So a district that begins to list versions restates nothing."""
    assert config_from(EVIDENCE, listed({})).policy_version == config_from(EVIDENCE, POLICY).policy_version


def test_a_version_is_its_thresholds_and_the_file_all_of_them() -> None:
    first = config_from(EVIDENCE, POLICY).policies[0].version
    moved = [config_from(EVIDENCE, listed({}, {"effective_from": date(2026, 11, day), **STRICT})) for day in (2, 3)]
    old, new = moved[0].policies
    assert old.version == first != new.version
    assert [one.version for one in moved[1].policies] == [old.version, new.version]
    assert moved[0].policy_version != moved[1].policy_version
    named = config_from(EVIDENCE, listed({}, {"subject": "math", "effective_from": date(2026, 11, 2), **STRICT}))
    assert named.policy_version not in (first, moved[0].policy_version)
    looser = {**EVIDENCE, "hints": "practice"}
    assert config_from(looser, listed({}, STRICT | {"subject": "math"})).policies[1].version != new.version


def test_a_date_begins_where_the_local_day_does(settings: Settings) -> None:
    settings.district_dir.mkdir(parents=True)
    text = yaml.safe_dump(listed({}, {"effective_from": date(2026, 11, 2)}))
    (settings.district_dir / "policy.yaml").write_text(text)
    assert load_config(settings).policies[1].begins_us == at_us(2026, 11, 2, 6)
    assert policies_from(listed({}, {"effective_from": "2026-10-30"}), EVIDENCE, zone=ZONE)[1].begins_us == at_us(
        2026, 10, 30, 5
    )


def test_a_subjects_own_versions_win_from_the_first_of_them_on() -> None:
    config = config_from(
        EVIDENCE,
        listed(
            {},
            {"effective_from": date(2026, 11, 2)},
            {"effective_from": date(2026, 12, 7), "subject": "all"},
            {"subject": "Math", "effective_from": date(2026, 11, 30)},
            {"subject": "math ", "effective_from": date(2027, 1, 11)},
            {"subject": "ela"},
        ),
    )
    assert config.subjects == ("ela", "math")
    assert names(config.timeline(None)) == names(config.timeline("science")) == ["v0", "v1", "v2"]
    assert names(config.timeline(" MATH")) == ["v0", "v1", "v3", "v4"]
    assert names(config.timeline("ELA")) == ["v5"]
    day = at_us(2026, 11, 30)
    assert [config.in_force(moment, "math").name for moment in (EVER, day - 1, day, at_us(2028, 1, 1))] == [
        "v0",
        "v1",
        "v3",
        "v4",
    ]
    assert config.in_force(day).name == "v1"


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ([{}, {}], r"policy.yaml: versions.1: overlaps versions.0, both of all subjects from the beginning"),
        (
            [{}, *({"subject": name, "effective_from": date(2026, 11, 2)} for name in ("math", "MATH"))],
            r"versions.2: overlaps versions.1, both of math from 2026-11-02: change effective_from",
        ),
        ([{}, {"id": "v0", "subject": "math"}], "versions.1.id: v0 is versions.0 already"),
        ([{"effective_from": date(2026, 8, 3)}], "versions: none of all subjects is in force from the beginning"),
        ([{"subject": "math"}], "versions: none of all subjects is in force from the beginning"),
        ([], "versions: .*"),
        ([{}, {"effective_from": "next week"}], r"versions.1.effective_from: .*next week"),
        ([{}, {"effective_from": "2026-13-01"}], r"versions.1.effective_from: 2026-13-01 is no date"),
        ([{}, {"effective_from": 20261102}], r"versions.1.effective_from: "),
        ([{}, {"effective_from": None}], r"versions.1.effective_from: "),
        ([{}, {"effective_from": datetime(2026, 11, 2, 8)}], r"versions.1.effective_from: "),
        ([{}, {"subject": "  "}], r"versions.1.subject: is empty"),
        ([{}, {"subject": 7}], r"versions.1.subject: "),
        ([{"id": "Two words"}], r"versions.0.id: "),
        ([{}, {"subject": "math", "grade": "5"}], r"versions.1: .*grade"),
        ([{}, {"subject": "math", "review_due": {"share": 0.9}}], r"versions.1: review_due.share: 0.9 is above"),
        ([{}, {"subject": "math", "review_due": {"share": 1.9}}], r"versions.1.review_due.share: "),
    ],
)
def test_mistakes_are_named_by_their_place(versions: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(CairnError, match=message):
        policies_from(listed(*versions), EVIDENCE)


def test_thresholds_beside_versions_and_lists_that_are_none_are_refused() -> None:
    with pytest.raises(CairnError, match=r"policy.yaml: mastered: stands beside versions"):
        policies_from(POLICY | listed({}), EVIDENCE)
    with pytest.raises(CairnError, match=r"policy.yaml: versions: "):
        policies_from(listed() | {"versions": "math"}, EVIDENCE)
    with pytest.raises(CairnError, match=r"policy.yaml: versions.0: "):
        policies_from(listed() | {"versions": ["math"]}, EVIDENCE)


def test_the_example_of_the_documentation_holds() -> None:
    text = (REPOSITORY / "docs" / "explanation" / "mastery.md").read_text(encoding="utf-8")
    [shown] = [part.split("```")[0] for part in text.split("```yaml\n")[1:] if "versions:" in part]
    found = policies_from(yaml.safe_load(shown), EVIDENCE)
    assert [(one.name, one.subject, one.effective_from) for one in found] == [
        ("first", "", None),
        ("math-2027", "mathematics", date(2027, 1, 11)),
    ]
    assert found[0].version == config_from(EVIDENCE, POLICY).policy_version, "the first is the example"


def test_a_date_that_does_not_exist_is_an_error_by_file(settings: Settings, tmp_path: Path) -> None:
    settings.district_dir.mkdir(parents=True)
    path = settings.district_dir / "policy.yaml"
    path.write_text("policy: share\nversions:\n- id: v\n  effective_from: 2026-02-30\n")
    with pytest.raises(CairnError, match=r"policy\.yaml: a date in it does not exist \(day is out of range"):
        load_config(settings)
