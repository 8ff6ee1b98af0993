"""Pure parts of the pages: what can be decided, where signing in leads."""

from __future__ import annotations

import pytest

from answers import wording
from pilots.decision import DECISIONS
from portal.pages_pilots import choices, decision_problem
from portal.pages_session import safe_next


def test_every_decision_of_the_rule_can_be_recorded_what_it_says_first() -> None:
    offered = choices({"recommendation": "next_wave"})
    assert offered[0] == "NEXT WAVE" and sorted(offered) == sorted(DECISIONS)
    assert all(wording.RECOMMENDATIONS.get(one.replace(" ", "_")) for one in offered)


@pytest.mark.parametrize(
    ("decision", "reason", "is_fine"),
    [("SCALE", "", True), ("STOP", "", False), ("STOP", "No budget.", True), ("MAYBE", "x", False), ("", "", False)],
)
def test_a_decision_against_the_rule_needs_a_reason(decision: str, reason: str, is_fine: bool) -> None:
    assert (decision_problem({"recommendation": "SCALE"}, decision, reason) is None) == is_fine


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil", None, "", "/a\nb"])
def test_signing_in_leads_nowhere_else(target: str | None) -> None:
    assert safe_next(target) == "/"
