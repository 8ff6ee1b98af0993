"""Which policy is in force for a pair at an instant, as rows of gold name it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
import yaml

from cairn.district import EXAMPLES
from cairn.mastery.config import MasteryConfig, config_from
from cairn.mastery.policy_versions import EVER, THRESHOLDS
from cairn.mastery.share.schedule import Schedule

EVIDENCE, POLICY = (yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()) for name in ("evidence", "policy"))
NAMES = ["c-ela", "c-math", "c-none", "c-unknown"]
SUBJECTS = {"c-ela": "ela", "c-math": "math", "c-none": ""}


def config(*changes: dict[str, Any]) -> MasteryConfig:
    one = {name: POLICY[name] for name in THRESHOLDS}
    listed = [{"id": f"v{place}", **one, **change} for place, change in enumerate(({}, *changes))]
    return config_from(EVIDENCE, {"policy": "share", "interval": POLICY["interval"], "versions": listed})


def asking(items: int) -> dict[str, Any]:
    return {"minimum_evidence": {"attempts": 9, "items": items, "days": 2}}


def midnight(day: int) -> int:
    return int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) * 1_000_000


def test_each_pair_has_the_policy_of_its_subject_and_instant() -> None:
    by_subject = config(
        {"subject": "math", "effective_from": date(2026, 11, 9), **asking(5)},
        {"effective_from": date(2026, 11, 20), **asking(7)},
    )
    first, math, everybody = (one.version for one in by_subject.policies)
    found = Schedule.of(by_subject, np.array([0, 1, 2, 3, 1]), NAMES, SUBJECTS)
    assert found.items == 7
    days = [8, 9, 20]
    at_us = np.array([midnight(day) for day in days])
    told = [found.versions_at(np.full(3, pair), at_us).to_pylist() for pair in range(5)]
    assert told == [[first, first, everybody], [first, math, math], *[[first, first, everybody]] * 2, told[1]]
    assert found.versions_at(np.array([1]), np.array([midnight(9) - 1])).to_pylist() == [first]
    beginnings = [found.is_beginning(np.full(3, pair), at_us).tolist() for pair in (0, 1)]
    assert beginnings == [[False, False, True], [False, True, False]]


def test_one_policy_needs_no_subjects_and_several_do() -> None:
    one = Schedule.of(config(), np.array([0, 1]), NAMES, None)
    assert (one.items, one.begins_us.tolist(), one.of_pair.tolist()) == (3, [EVER], [0, 0])
    assert one.versions_at(np.array([1]), np.array([0])).to_pylist() == [config().policy_version]
    assert Schedule.of(config(), np.zeros(0, dtype=np.int64), [], None).of_pair.size == 0
    with pytest.raises(ValueError, match="policies differ by subject"):
        Schedule.of(config({"subject": "math", **asking(5)}), np.array([0]), NAMES, None)
