"""A page reads its release, and teachers' words; it shows nothing where the rule that protects it cannot be read."""

from __future__ import annotations

import json
import logging
import re
import shutil
from datetime import date
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from answers.accounts import add_account
from cairn.settings import Settings
from pilots.registry import newest_plans
from portal.app import create_app
from releases import store
from releases.scorecards import failed
from tests.marts.small_roster import known, put
from tests.portal.conftest import PASSWORD, submit
from tests.portal.fixture_release import publish_fixture, sourced


def test_a_page_of_a_release_is_the_same_when_the_lake_has_moved_on(settings: Settings) -> None:
    """A month later the lake holds other states, decisions and rosters, or is gone: the release is as it was."""
    people = publish_fixture(settings)
    add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
    add_account(settings, "central", "central_office", None, PASSWORD)
    pupil = f"/students/{people[sourced(0, 0)]}"
    wanted = [("leader", "/schools/school-a"), ("leader", pupil), ("central", "/"), ("central", "/rollout")]

    def seen() -> list[str]:
        found = []
        for name, path in wanted:
            with TestClient(create_app(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
                submit(client, "/login", "/login", name=name, password=PASSWORD)
                answer = client.get(path)
                assert answer.status_code == 200, path
                text = re.sub(r'name="csrf" value="[^"]*"', "", answer.text)
                # All that teachers ever said is in their ledger alone; what stands is in the release as well.
                found.append(re.sub(r"\s*<details><summary>Everything that.*?</details>", "", text, flags=re.S))
        return found

    before = seen()
    later = {"student_key": people[sourced(0, 0)], "competency_id": "comp-1", "data_date": date(2026, 11, 14)}
    decision = later | {"decision_id": "later", "from_state": "mastered", "to_state": "review_due"}
    put(settings, "gold.mastery_decision", [decision])
    put(settings, "gold.mastery_state", [later | {"state": "review_due"}])
    put(settings, "silver.org", [known(org_id="school-a", name="Another name", org_type="school", status="active")])
    assert seen() == before
    shutil.rmtree(settings.lake)
    assert seen() == before


@pytest.mark.parametrize("path", ["/", "/pilots", "/pilots/pilot-fractions", "/rollout", "/schools/school-a"])
def test_privacy_rules_that_cannot_be_read_show_nothing(
    pages: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A typo in the district's file must not turn 20 pupils into the default of 10."""
    rules = pages.settings.district_dir / "privacy.yaml"
    rules.parent.mkdir(parents=True, exist_ok=True)
    client = pages.client("central")
    assert client.get(path).status_code in (200, 403), "what was drawn before does not stand in for the rules"
    rules.write_text("n_min: twenty\n")
    try:
        caplog.set_level(logging.ERROR)
        answer = client.get(path)
    finally:
        rules.unlink()
    assert answer.status_code == 503
    assert "privacy rules cannot be read" in answer.text and "privacy.yaml" not in answer.text
    assert "n_min must be a whole number" in caplog.text
    assert client.get(path).status_code == 200


def test_the_districts_own_smallest_group_is_shown(pages: Any) -> None:
    rules = pages.settings.district_dir / "privacy.yaml"
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text("n_min: 33\n")
    try:
        text = pages.client("central").get("/").text
    finally:
        rules.unlink()
    assert "Groups under 33 pupils" in text


def test_pilot_that_could_not_be_evaluated_has_a_page_that_says_so(settings: Settings) -> None:
    publish_fixture(settings)
    add_account(settings, "central", "central_office", None, PASSWORD)
    frozen = next(plan for plan in newest_plans(settings) if plan.pilot_id == "pilot-fractions")
    learning, evaluation = store.current(settings, "learning"), store.current(settings, "evaluation")
    assert learning is not None and evaluation is not None
    with duckdb.connect(str(evaluation.path)) as connection:
        connection.execute(
            "update pilot_scorecard set scorecard_json = ? where pilot_id = 'pilot-fractions'",
            [json.dumps(failed(frozen, learning, "no school of it is in the roster"))],
        )
    with TestClient(create_app(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
        submit(client, "/login", "/login", name="central", password=PASSWORD)
        for path in ("/pilots", "/pilots/pilot-fractions", "/pilots/pilot-fractions.pdf", "/rollout"):
            assert client.get(path).status_code == 200, path
        assert "no school of it is in the roster" in client.get("/pilots/pilot-fractions").text
