"""Mastery worked out a second time from what the simulator sent: plain Python, one pupil after another.

Shares no code with the product: the evidence rule, the BKT update (Corbett & Anderson 1995) and the threshold policy
are written again from docs and configuration, so that agreement means something.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cairn.settings import REPOSITORY


@dataclass
class Standing:
    """Where a pupil stands on a competency, and when mastery was last reached."""

    state: str = "not_started"
    mastered_at: datetime | None = None
    counted: int = 0


def _rules() -> tuple[dict[str, Any], dict[str, Any]]:
    folder = REPOSITORY / "schemas" / "district"
    return yaml.safe_load((folder / "evidence.yaml").read_text()), yaml.safe_load((folder / "policy.yaml").read_text())


def standings(truth: Path, parameters: dict[str, dict[str, float]], until: datetime) -> dict[tuple[str, str], Standing]:
    """(student_id, competency_id) -> standing, from ``truth/events.parquet`` and the parameters the night used.

    ``parameters`` maps a competency (or ``*``) to prior, learn, guess, slip. Work from ``until`` on is not looked at.
    """
    evidence, policy = _rules()
    spacing = timedelta(hours=evidence["spacing_hours"])
    by_pair: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in pq.read_table(truth / "events.parquet").to_pylist():
        if event["counts_as"] == "attempt" and event["event_time"] < until:
            by_pair[event["student_id"], event["competency_id"]].append(event)
    return {
        pair: _stand(
            sorted(events, key=lambda event: event["event_time"]),
            parameters.get(pair[1], parameters["*"]),
            evidence,
            policy,
            spacing,
        )
        for pair, events in by_pair.items()
    }


def _stand(
    events: list[dict[str, Any]],
    parameter: dict[str, float],
    evidence: dict[str, Any],
    policy: dict[str, Any],
    spacing: timedelta,
) -> Standing:
    standing = Standing()
    known = parameter["prior"]
    last_seen: dict[str, datetime] = {}
    minimum, items, days = policy["minimum_evidence"], set(), set()
    for event in events:
        item, at = event["item_id"], event["event_time"]
        is_repeat = item in last_seen and at - last_seen[item] < spacing
        last_seen[item] = at
        if is_repeat or event["duration_ms"] < evidence["rapid_guess_ms"]:
            continue
        is_right = bool(event["correct"]) and event["hints"] == 0
        p_right = 1 - parameter["slip"] if is_right else parameter["slip"]
        p_guess = parameter["guess"] if is_right else 1 - parameter["guess"]
        after = known * p_right / (known * p_right + (1 - known) * p_guess)
        known = after + (1 - after) * parameter["learn"]
        standing.counted += 1
        items.add(item)
        days.add(event["work_date"])
        is_over = known >= (policy["lose"] if standing.state == "mastered" else policy["gain"])
        if standing.counted < minimum["attempts"] or len(items) < minimum["items"]:
            new = "not_enough_evidence"
        elif not is_over:
            new = "developing"
        elif len(days) >= minimum["days"]:
            new = "mastered"
        else:
            new = "developing" if standing.state == "developing" else "not_enough_evidence"
        if new == "mastered" and standing.state != "mastered":
            standing.mastered_at = at
        standing.state = new
    return standing


def end_of_day(day: date, zone: Any) -> datetime:
    """The instant at which the local day ends, in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=zone).astimezone(UTC)
