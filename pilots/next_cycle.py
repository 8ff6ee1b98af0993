"""The next cycle's plan, begun from this one's log: the same schools and measures, one assessment window later.

The baseline stays the one from before the change: schools that have had it for a cycle are compared with what they were
before it, and what the next window adds is seen from there (a score taken under the change is no pretest). The days of
the new window are this one's moved by a quarter, to be set against the district's calendar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import yaml

from pilots.plan import Plan
from pilots.practice import Practice

# A cycle is ninety days; in whole weeks, so that days of the week stay.
CYCLE = timedelta(weeks=13)
WINDOWS = {"fall": "winter", "winter": "spring", "spring": "fall", "other": "other"}
NUMBERED = re.compile(r"(.*)-cycle-(\d+)")
TITLED = re.compile(r" \(cycle \d+\)$")
# As the form of a plan has it.
LONGEST_ID, LONGEST_TITLE = 63, 120


@dataclass(frozen=True)
class Decided:
    """What the rule said of this cycle and what a person decided; None where nothing was published or decided."""

    recommendation: str | None = None
    decision: str | None = None
    by_role: str | None = None
    on: date | None = None
    reason: str | None = None


class _Plain(yaml.SafeDumper):
    """No anchors: a day that occurs twice is written twice, as a person would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def next_id(pilot_id: str) -> str:
    """``fraction-studio`` -> ``fraction-studio-cycle-2`` -> ``fraction-studio-cycle-3``."""
    found = NUMBERED.fullmatch(pilot_id)
    base, ending = (found[1] if found else pilot_id), f"-cycle-{_number(pilot_id) + 1}"
    return f"{base[: LONGEST_ID - len(ending)]}{ending}"


def _number(pilot_id: str) -> int:
    """Which cycle it is, from 1."""
    found = NUMBERED.fullmatch(pilot_id)
    return int(found[2]) if found else 1


def next_plan(plan: Plan, versions: Sequence[Practice]) -> dict[str, Any]:
    """The next cycle's plan as a mapping that ``cairn pilots check`` finds good. ``versions`` are those on record."""
    analysis = dict(plan.analysis) | {"outcome": _moved(plan.analysis["outcome"])}
    if between := analysis.get("between"):
        # In waves each window tells them apart: this cycle's last one lies between from now on.
        analysis["between"] = [*between, plan.analysis["outcome"]]
    ending = f" (cycle {_number(plan.pilot_id) + 1})"
    raw = dict(plan.raw) | {
        "pilot_id": next_id(plan.pilot_id),
        "title": TITLED.sub("", plan.title)[: LONGEST_TITLE - len(ending)] + ending,
        "hypothesis": dict(plan.raw["hypothesis"]) | {"by": analysis["outcome"]["to_date"]},
        "analysis": analysis,
        "implementation": _implementation(plan, versions),
    }
    if "barriers" in raw:
        raw["barriers"] = [barrier for barrier in raw["barriers"] if "closed_on" not in barrier]
    return raw


def _moved(outcome: Mapping[str, Any]) -> dict[str, Any]:
    days = {key: _later(outcome[key]) for key in ("from_date", "to_date")}
    return dict(outcome) | {"window": WINDOWS[outcome["window"]]} | days


def _later(day: str) -> str:
    return (date.fromisoformat(day) + CYCLE).isoformat()


def _implementation(plan: Plan, versions: Sequence[Practice]) -> dict[str, Any]:
    """Work begins the day after this cycle's; what is done is what stood last, with all that led to it."""
    now = plan.implementation
    starts_on = (date.fromisoformat(now["ends_on"]) + timedelta(days=1)).isoformat()
    practice: list[dict[str, str]] = []
    for one in versions:
        carried = {"from_date": one.from_date.isoformat(), "what": one.what}
        practice.append(carried | ({"learned": one.learned} if one.learned else {}))
    last = versions[-1].what if versions else "as planned"
    practice.append({"from_date": starts_on, "what": f"next cycle: {last.removeprefix('next cycle: ')}"})
    return dict(now) | {
        "starts_on": starts_on,
        "ends_on": _later(now["ends_on"]),
        "milestones": [dict(one) | {"due_date": _later(one["due_date"])} for one in now["milestones"]],
        "practice": practice,
    }


def as_yaml(plan: Plan, versions: Sequence[Practice], decided: Decided) -> str:
    """The next cycle's plan as YAML, what this cycle said and taught in comments above it."""
    lines = [f"# Begun from {plan.pilot_id}, plan {plan.plan_hash[:12]}."]
    if decided.recommendation:
        lines.append(f"# The rule said {decided.recommendation}.")
    if decided.decision:
        why = f": {decided.reason}" if decided.reason else "."
        lines.append(f"# Decided {decided.decision} by {decided.by_role} on {decided.on}{why}")
    if decided.decision == "NEXT WAVE" or (not decided.decision and decided.recommendation == "NEXT WAVE"):
        lines.append("# Add the new schools to both arms by a draw: cairn pilots assign PLAN.")
    learned = [one for one in versions if one.learned]
    lines.append("# Learned:" if learned else "# Nothing was written down as learned: add it to the practice versions.")
    lines += [f"# - {one.from_date}, {one.what}: {one.learned}" for one in learned]
    lines += [
        "# The baseline is the one from before the change. Set the days of the outcome window, of work and of",
        "# milestones against the district's calendar; then cairn pilots check, and freeze before the window opens.",
    ]
    # What people wrote may hold line ends, which would end a comment.
    comments = [" ".join(line.split()) for line in lines]
    body: str = yaml.dump(next_plan(plan, versions), Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)
    return "\n".join([*comments, body])
