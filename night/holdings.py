"""What the district holds of a person, place by place: for a request to see it, before correcting or erasing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cairn.settings import Settings
from identity.erasures import Receipt
from identity.vault import Vault
from night import erasure
from spark_jobs import lake_erasure
from streaming import topics


def holdings(settings: Settings, student_key: str, places: list[erasure.Place]) -> dict[str, Any]:
    """Tables of the lake with rows, sources and days; the counts of every other place; what the topic may hold.

    Reads every table that holds people and changes nothing. Names nobody: keys only, and those stay here.
    """
    who = Vault(settings).identity(student_key)
    now = datetime.now(UTC)
    # As an erasure would look for the person; this one is kept nowhere.
    look = Receipt(
        erasure_id="",
        erased_at=now,
        erased_by="",
        reason="",
        student_keys=who.student_keys,
        subject_keys=who.subject_keys,
        periods=who.periods,
        kinds=who.kinds,
        topic_until_date=topics.gone_by(settings, now),
    )
    found = erasure.scan(settings, look, places)
    tables = lake_erasure.held_by(settings, erasure.subject_of(settings, look))
    return {
        "tables": [asdict(one) for one in tables],
        "places": {name: count for name, count in found.places.items() if not name.startswith("lake ")},
        "topic": found.topic,
    }
