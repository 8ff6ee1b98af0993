"""``cairn pilots looks`` and ``guardrails``: while a pilot runs, before its effect may be looked at."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit

app = typer.Typer()


@app.command()
def looks(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    day: Annotated[str | None, typer.Option(help="What is due on this day (YYYY-MM-DD); today if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """When a pilot is looked at and what for: implementation, then guardrails and harm, then the effect, once.

    Example: cairn pilots looks schemas/district/pilots/fraction-studio.yaml --day 2026-10-01
    """
    from datetime import date

    from cli.night import parse_date
    from pilots.looks import due_look, looks_of, next_look
    from pilots.plan import load_plan

    found = load_plan(plan)
    on = parse_date(day) if day else date.today()
    due, following = due_look(found, on), next_look(found, on)
    result = {
        "pilot_id": found.pilot_id,
        "day": on.isoformat(),
        "looks": [asdict(look) for look in looks_of(found)],
        "due": asdict(due) if due else None,
        "next": asdict(following) if following else None,
    }

    def text(told: dict[str, Any]) -> str:
        lines = [f"{look['due_on']}  {look['kind']}: {look['what']}" for look in told["looks"]]
        now = f"on {told['day']}: {told['due']['kind']}" if told["due"] else f"on {told['day']}: nothing is due yet"
        return "\n".join([*lines, now])

    emit(result, as_json, text)


@app.command()
def guardrails(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    data: Annotated[Path, typer.Option(help="CSV: guardrail, school_id, value, people and, where known, before.")],
    as_json: JsonOption = False,
) -> None:
    """Measure the plan's guardrails between its arms: safe, open, failed or not measured, each with its chance.

    Example: cairn pilots guardrails plan.yaml --data guardrails.csv
    """
    from pilots.guardrail_table import findings_of
    from pilots.guardrails import for_decision, told
    from pilots.plan import load_plan

    findings = findings_of(data, load_plan(plan))
    failed, still_open = for_decision(findings)
    result = {
        "guardrails": [told(one) for one in findings],
        "failed": failed,
        "open": still_open,
    }
    emit(result, as_json, lambda r: "\n".join(one["sentence"] for one in r["guardrails"]))
