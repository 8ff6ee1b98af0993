"""The next cycle's plan: good as it is written, the same comparison a window later, and what was learned with it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.settings import REPOSITORY
from pilots.next_cycle import Decided, as_yaml, next_id
from pilots.plan import check_plan, load_plan
from pilots.practice import Practice
from pilots.waves import is_staggered, starts
from tests.pilots.test_waves import waved

EXAMPLES = sorted((REPOSITORY / "schemas" / "district" / "pilots").glob("*.yaml"))
VERSIONS = (
    Practice(date(2026, 8, 31), "as planned", "six are too many to hear"),
    Practice(date(2026, 9, 17), "groups of four"),
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_cycle_after_cycle_is_a_good_plan_of_the_same_comparison(path: Path, tmp_path: Path) -> None:
    before = load_plan(path)
    for cycle in (2, 3):
        written = tmp_path / f"{cycle}.yaml"
        written.write_text(
            as_yaml(before, VERSIONS, Decided("ITERATE", "ITERATE", "chief", date(2026, 11, 2), "why\nso"))
        )
        after, problems = check_plan(written)
        assert after is not None and problems == []
        assert after.pilot_id == f"{path.stem}-cycle-{cycle}"
        assert after.title == f"{load_plan(path).title} (cycle {cycle})"
        assert (after.arms, after.subject, after.grades) == (before.arms, before.subject, before.grades)
        assert after.analysis["baseline"] == before.analysis["baseline"]
        assert after.outcome_opens_on > before.outcome_closes_on
        assert after.outcome_opens_on.weekday() == before.outcome_opens_on.weekday()
        assert after.implementation["starts_on"] > before.implementation["ends_on"]
        text = written.read_text()
        assert "# - 2026-08-31, as planned: six are too many to hear" in text
        assert "# Decided ITERATE by chief on 2026-11-02: why so" in text
        assert after.implementation["practice"][1] == {"from_date": "2026-09-17", "what": "groups of four"}
        assert after.implementation["practice"][-1]["what"].endswith("groups of four")
        before = after
    assert [plan["window"] for plan in (after.analysis["baseline"], after.analysis["outcome"])] == ["fall", "fall"]


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{1,62}", fullmatch=True))
def test_ids_of_cycles_never_repeat(pilot_id: str) -> None:
    seen = [pilot_id]
    for _ in range(3):
        seen.append(next_id(seen[-1]))
    assert len(set(seen)) == 4
    assert max(map(len, seen)) <= 63


def test_in_waves_this_cycles_last_window_lies_between_in_the_next(tmp_path: Path) -> None:
    plan = waved(12, 8, grades=["5"])
    written = tmp_path / "next.yaml"
    written.write_text(as_yaml(plan, VERSIONS, Decided("NEXT WAVE")))
    after, problems = check_plan(written)
    assert after is not None and problems == []
    assert [one.name for one in after.windows] == ["fall", "other", "winter", "spring", "fall"]
    assert after.windows[:4] == plan.windows
    assert (is_staggered(after), starts(after)) == (True, starts(plan))
