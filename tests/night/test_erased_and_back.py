"""A pupil who was erased and comes back with the same account: what is of before goes, what is of since stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import lake
from cairn.contracts import load_contract
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from identity import Vault, erasures
from night import erasure
from tests.night.test_erasure import ANN, HOME_PAGE, value

SILVER = "silver.learner_activity"


def event(name: str, at: datetime, subject: str) -> dict[str, Any]:
    plain = {column.name: value(column, "nobody", subject) for column in load_contract(SILVER).columns}
    return plain | {"event_id": name, "event_time": at}


def ids(settings: Settings) -> list[str]:
    found: list[str] = sorted(lake.read(settings, SILVER, ["event_id"], None, lake.EVERY)["event_id"].to_pylist())
    return found


def test_new_work_is_the_new_records_and_old_work_goes_whenever_it_turns_up(settings: Settings) -> None:
    vault = Vault(settings)
    gone = vault.register([ANN])["u-ann-77"]
    account = f"account:{HOME_PAGE}"
    subject = DistrictKeys.load(settings).subject_key(account, ANN["username"])
    vault.link(gone, account, ANN["username"])
    receipt = erasure.erase(settings, gone, reason="request", by="tester", places=[])
    before, since = receipt.erased_at - timedelta(days=1), receipt.erased_at + timedelta(days=1)

    # The app was not told: nobody is there whose work it could be, and it goes.
    lake.append(settings, SILVER, [event("while away", since, subject)])
    assert erasure.replay_within_night(settings) == 1
    assert ids(settings) == []

    # The roster has her again. Her new work stays, night after night; what the topic brings late of before goes.
    back = vault.register([ANN])["u-ann-77"]
    vault.link(back, account, ANN["username"])
    assert back != gone
    lake.append(settings, SILVER, [event("back", since, subject), event("late", before, subject)])
    assert erasure.replay_within_night(settings) == 1
    assert ids(settings) == ["back"]
    assert erasure.replay_within_night(settings) == 0
    assert ids(settings) == ["back"]
    assert {link.student_key for link in vault.links_of([subject])} == {back}
    assert erasure.scan(settings, erasures.get(settings, receipt.erasure_id), []).remaining == 0
    assert erasure.replay(settings, []) == []
