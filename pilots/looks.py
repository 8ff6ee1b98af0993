"""When a pilot is looked at, and what for: outcomes come in assessment windows, so early looks are not at the effect.

Day 30 looks at implementation, day 60 at guardrails and harm, and the effect is judged once per assessment window. The
same schools seen again are not new information, so no look is one more chance to find an effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pilots.plan import Plan

IMPLEMENTATION, GUARDRAILS, EFFECT = "implementation", "guardrails", "effect"
IMPLEMENTATION_DAY, GUARDRAILS_DAY = 30, 60
WHAT = {
    IMPLEMENTATION: "Does it happen as planned: time, schools, milestones. The effect is not looked at.",
    GUARDRAILS: "Do guardrails hold, and is anybody harmed. The effect is not looked at.",
    EFFECT: "The effect, once for this assessment window.",
}


@dataclass(frozen=True)
class Look:
    """One look: what for, from which day on it is due, and what is looked at."""

    kind: str
    due_on: date
    what: str


def looks_of(plan: Plan) -> tuple[Look, ...]:
    """The looks of a plan in the order of their days.

    Days are counted from the start. Where the pilot ends before one, that look is due on its last day; the effect is
    due on the day after the outcome window with its make-ups has closed, and nothing is due later than that.
    """
    starts = date.fromisoformat(plan.implementation["starts_on"])
    ends = date.fromisoformat(plan.implementation["ends_on"])
    closes = plan.outcome_closes_on + timedelta(days=1)
    days = {
        IMPLEMENTATION: min(starts + timedelta(days=IMPLEMENTATION_DAY), ends, closes),
        GUARDRAILS: min(starts + timedelta(days=GUARDRAILS_DAY), ends, closes),
        EFFECT: closes,
    }
    return tuple(Look(kind, day, WHAT[kind]) for kind, day in days.items())


def due_look(plan: Plan, day: date) -> Look | None:
    """The look that stands on ``day``: the last one due by then; None before the first."""
    due = [look for look in looks_of(plan) if look.due_on <= day]
    return due[-1] if due else None


def next_look(plan: Plan, day: date) -> Look | None:
    """The look that comes after ``day``; None when all are due."""
    return next((look for look in looks_of(plan) if look.due_on > day), None)
