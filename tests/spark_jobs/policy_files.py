"""Policy files for tests: the example's thresholds as versions, some of them asking for more."""

from __future__ import annotations

from typing import Any

import yaml

from cairn.district import EXAMPLES
from cairn.mastery.policy_versions import THRESHOLDS
from cairn.settings import Settings

EXAMPLE: dict[str, Any] = yaml.safe_load((EXAMPLES / "policy.yaml").read_text(encoding="utf-8"))
FIRST = {name: EXAMPLE[name] for name in THRESHOLDS}
# Of the model that small lakes have: 4 of 4 right is a share of .92, which is mastered by the example alone.
STRICTER = FIRST | {
    "mastered": {"share": 0.96, "floor": 0.9, "chance": 0.9},
    "review_due": {"share": 0.95},
    "minimum_evidence": {"attempts": 6, "items": 5, "days": 2},
}


def listed(*versions: dict[str, Any]) -> dict[str, Any]:
    """A file whose first version is the example, and others after it."""
    shared = {name: value for name, value in EXAMPLE.items() if name not in THRESHOLDS}
    return shared | {"versions": [{"id": "first", **FIRST}, *versions]}


def save(settings: Settings, content: dict[str, Any]) -> None:
    """Put policy.yaml into the district's folder."""
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "policy.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
