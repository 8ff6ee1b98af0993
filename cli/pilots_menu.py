"""``cairn pilots menu`` and ``next``: what was learned, for the school that takes it up and for the cycle after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit


def _cards() -> dict[str, dict[str, Any]]:
    """Scorecards of the current evaluation, by pilot; none before the first was published."""
    import json

    from cairn.settings import settings
    from releases import store

    if store.current(settings(), "evaluation") is None:
        return {}
    with store.open_release(settings(), "evaluation") as connection:
        rows = connection.execute("select pilot_id, scorecard_json from pilot_scorecard").fetchall()
    return {pilot: json.loads(text) for pilot, text in rows}


def menu(
    search: Annotated[str, typer.Option(help="Only what holds each of these words.")] = "",
    as_json: JsonOption = False,
) -> None:
    """What was proven here and can be taken up, with evidence, cost and practice card; what was stopped, with why.

    Example: cairn pilots menu --search reading
    """
    from cairn.settings import settings
    from pilots import registry
    from pilots.menu import entry
    from pilots.menu import menu as chosen

    cards = _cards()
    entries = []
    for frozen in registry.newest_plans(settings()):
        latest = registry.latest_recommendation(settings(), frozen.pilot_id)
        decided = registry.decisions(settings(), frozen.pilot_id)
        word = latest.recommendation if latest else None
        entries.append(entry(frozen, cards.get(frozen.pilot_id), decided, word))
    emit(dict(chosen(entries, search)), as_json, _menu_text)


def _menu_text(found: dict[str, Any]) -> str:
    lines = []
    for one in found["proven"]:
        lines.append(f"proven: {one['title']} ({_whom(one)})" + (f": {one['reason']}" if one["reason"] else ""))
        if evidence := one["evidence"]:
            bounds = "" if evidence["low"] is None else f" ({evidence['low']:.2f} to {evidence['high']:.2f})"
            lines.append(f"  evidence: {evidence['effect_sd']:.2f} SD{bounds}, {evidence['rating']}")
        if one["cost_per_pupil_usd"] is not None:
            lines.append(f"  cost: {one['cost_per_pupil_usd']:.2f} USD a pupil")
        lines += [f"  on Monday: {step}" for step in one["practice_card"]["on_monday"]]
        lines += [f"  learned: {word}" for word in one["practice_card"]["learned"]]
    lines += [
        f"stopped: {one['title']} ({_whom(one)})" + (f": {one['reason']}" if one["reason"] else "")
        for one in found["stopped"]
    ]
    return "\n".join(lines) or "nothing that was decided SCALE or STOP is like that"


def _whom(one: dict[str, Any]) -> str:
    grades = ", ".join(one["for_whom"]["grades"])
    return f"{one['for_whom']['subject'] or 'all subjects'}, {f'grades {grades}' if grades else 'all grades'}"


def next_cycle(
    pilot: Annotated[str, typer.Argument(help="Id of the pilot, as in its plan.")],
    out: Annotated[Path | None, typer.Option(help="File to write; a file that is there is left alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin the next cycle's plan from this one's log: same measures, next window, practice and what was learned.

    Example: cairn pilots next fraction-studio --out next.yaml
    """
    from cairn.errors import UsageError
    from cairn.settings import settings
    from pilots import next_cycle as cycles
    from pilots import registry

    frozen = registry.frozen_plan(settings(), pilot)
    said = registry.latest_recommendation(settings(), pilot)
    last = next(iter(registry.decisions(settings(), pilot)[-1:]), None)
    decided = cycles.Decided(
        recommendation=said.recommendation if said else None,
        decision=last["decision"] if last else None,
        by_role=last["decided_by_role"] if last else None,
        on=last["decided_at"].date() if last else None,
        reason=last["reason"] if last else None,
    )
    text = cycles.as_yaml(frozen.plan, frozen.versions, decided)
    if out is not None:
        if out.exists():
            raise UsageError(f"{out} is there already: give another file, or take it away first")
        out.write_text(text, encoding="utf-8")
    result = {
        "pilot_id": cycles.next_id(frozen.pilot_id),
        "path": str(out) if out else None,
        "learned": [one.learned for one in frozen.versions if one.learned],
        "plan": text,
    }
    emit(result, as_json, lambda r: f"written: {r['path']}" if out else text.rstrip("\n"))
