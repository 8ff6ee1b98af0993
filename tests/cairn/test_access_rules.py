"""access.yaml: what it says, and that what is wrong in it is named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cairn.access_rules import load_access_rules
from cairn.district import district_path
from cairn.errors import CairnError
from cairn.settings import Settings


def test_the_example_gives_no_group_a_role_and_no_pupil_one(settings: Settings) -> None:
    rules = load_access_rules(settings)
    assert rules.groups == () and "student" not in rules.roster_roles
    assert set(rules.roster_roles.values()) == {"teacher", "school_leader"} and len(rules.reasons) >= 3
    assert [one.verified for one in rules.people if one.claim == "email"] == ["email_verified"]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("groups", [{"group": "g", "role": "school_leader"}], "groups.0"),
        ("groups", [{"group": "g", "role": "engineer", "school": "s"}], "groups.0"),
        ("groups", [{"group": "g", "role": "teacher"}], "groups.0.role"),
        ("roster_roles", {"student": "engineer"}, "roster_roles.student"),
        ("reasons", {}, "reasons"),
        ("everybody", "engineer", "everybody"),
    ],
)
def test_what_is_wrong_is_named(settings: Settings, key: str, value: Any, told: str) -> None:
    raw = yaml.safe_load(district_path(settings, "access.yaml").read_text()) | {key: value}
    settings.district_dir.mkdir(parents=True)
    (settings.district_dir / "access.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(CairnError) as refused:
        load_access_rules(settings)
    assert told in str(refused.value) and "access.yaml" in str(refused.value)
