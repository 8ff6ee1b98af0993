"""What a card says of a pilot in waves: who started when, with whom they are compared, what came of it, and how sure.

Effects are in SD. With too few schools there is no p and no interval. A wave of too few pupils has no effect of its
own, nor have windows that rest on it alone, nor those that it could be told from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilots.plan import Plan
from pilots.waves import WavesAnalysis

CONTROLS = {"never": "schools that never start", "not-yet": "schools that have not started yet"}
# So many windows before it starts let a wave's trend be looked at.
WANTED_BEFORE = 2
# Under this p the trends before are called apart.
APART = 0.10
MOST_NAMED = 12


def told(analysis: WavesAnalysis, plan: Plan, names: Mapping[str, str]) -> dict[str, Any]:
    """The part of the card, with its ``sentences``; ``names`` are those of schools by id."""
    is_formative = analysis.rung == "formative"

    def numbers(p_value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
        return (
            dict.fromkeys(("p_value", "low", "high"))
            if is_formative
            else {"p_value": p_value, "low": low, "high": high}
        )

    windows, trend = plan.windows, analysis.overall.pre_trend
    effects = {int(float(one.term.rsplit(" ", 1)[1])): one for one in analysis.by_group.estimates[1:]}
    groups = []
    for start, schools in analysis.schools_by_start.items():
        line, waves = effects.get(start), analysis.wave_of_window[start]
        line = None if start in analysis.hidden_starts else line
        groups.append(
            {
                "waves": waves,
                "starts_on": [plan.wave_starts[wave - 1].isoformat() for wave in waves],
                "first_window": windows[start - 1].opens_on.isoformat(),
                "windows_before": start - 1,
                "schools": len(schools),
                "school_ids": schools,
                "effect_sd": None if line is None else line.estimate,
            }
            | (numbers(None, None, None) if line is None else numbers(line.p_value, line.low, line.high))
        )
    found = {
        "compared_with": CONTROLS[analysis.overall.control],
        "windows": [{"name": one.name, "from_date": one.opens_on.isoformat()} for one in windows],
        "groups": groups,
        "event_study": [
            {"windows_since_start": int(one.event_time)}
            | (
                dict.fromkeys(("effect_sd", "p_value", "low", "high"))
                if int(one.event_time) in analysis.hidden_events
                else {"effect_sd": one.estimate} | numbers(one.p_value, one.low, one.high)
            )
            for one in analysis.overall.event_study
        ],
        "pre_trend": None
        if trend is None or is_formative
        else {"statistic": trend.statistic, "df": trend.df, "p_value": trend.p_value},
        "orders": analysis.orders,
    }
    return found | {"sentences": _sentences(analysis, found, names)}


def _sentences(analysis: WavesAnalysis, found: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """The same in plain words, in the order in which a reader asks."""
    said = [_started(group, names) for group in found["groups"]]
    others = analysis.schools_comparison
    compared = (
        f"the {others} schools that never start"
        if analysis.overall.control == "never"
        else "that of schools that had not started yet"
    )
    said.append(
        f"For each wave the change of its schools' mean scores since the last window before it started is set beside"
        f" that of {compared}. The effect is the average over all windows from each start on."
    )
    said += _before(found)
    if analysis.rung == "waves permuted":
        how = (
            f"over the {analysis.orders:,} orders of the waves of which one was drawn"
            if analysis.orders
            else "among all schools"
        )
        said.append(
            f"How far chance goes was seen by giving the starts to other schools, {how}, and asking each time how large"
            " the effect would have come out."
        )
    elif analysis.rung == "waves":
        said.append("How far chance goes follows from how much schools of one wave differ from each other.")
    return said


def _started(group: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Which schools started when, and when that was first seen."""
    schools = [names.get(one, one) for one in group["school_ids"]]
    more = f" and {len(schools) - MOST_NAMED} more" if len(schools) > MOST_NAMED else ""
    listed = ", ".join(schools[:MOST_NAMED])
    count = "1 school" if len(schools) == 1 else f"{len(schools)} schools"
    return (
        f"{_named(group['waves'])}: {count} started on {' and '.join(group['starts_on'])} ({listed}{more}); the window"
        f" from {group['first_window']} is the first with the change."
    )


def _before(found: Mapping[str, Any]) -> list[str]:
    """Whether schools were on the way already before they started, and of which waves that cannot be looked at."""
    said, trend = [], found["pre_trend"]
    short = [wave for group in found["groups"] if group["windows_before"] < WANTED_BEFORE for wave in group["waves"]]
    if trend is not None and trend["p_value"] < APART:
        said.append(
            "Before they started, later waves had already moved otherwise than the schools they are compared"
            " with: part of the effect may be that."
        )
    elif trend is not None:
        said.append(
            "Before they started, later waves had moved like the schools they are compared with, as far as can be seen."
        )
    if short:
        said.append(
            f"{_named(short)} had fewer than {WANTED_BEFORE} windows before the start: whether its schools were on the"
            " way already cannot be looked at."
        )
    return said


def _named(waves: Sequence[int]) -> str:
    return f"Wave {' and '.join(map(str, waves))}"
