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
    plan: Annotated[Path | None, typer.Argument(help="The plan, a YAML file; not with --boundaries.")] = None,
    day: Annotated[str | None, typer.Option(help="What is due on this day (YYYY-MM-DD); today if absent.")] = None,
    boundaries: Annotated[
        int | None, typer.Option(min=1, max=50, help="Critical values for so many looks, each adding as many schools.")
    ] = None,
    spending: Annotated[
        str | None, typer.Option(help="obrien-fleming or lan-demets; with a plan: by the schools that its waves add.")
    ] = None,
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="Two-sided level of all looks together.")] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """When a pilot is looked at and what for: implementation, then guardrails and harm, then the effect, once.

    With --boundaries or --spending: the critical value of |z| at each look at the effect. Alpha is spent only where a
    look adds schools; the same schools seen again are not new information.

    Example: cairn pilots looks schemas/district/pilots/fraction-studio.yaml --day 2026-10-01
    Example: cairn pilots looks --boundaries 5 --spending obrien-fleming
    """
    from datetime import date

    from cairn.errors import UsageError
    from cli.night import parse_date
    from pilots.looks import due_look, looks_of, next_look
    from pilots.plan import load_plan
    from pilots.spending import SPENDINGS, boundaries_of, fractions_of

    if boundaries is not None or spending is not None:
        if (plan is None) == (boundaries is None):
            raise UsageError("critical values are those of a plan's waves or of --boundaries N looks: give one of them")
        by = spending or SPENDINGS[0]
        if by not in SPENDINGS:
            raise UsageError(f"--spending {by!r}: give one of {', '.join(SPENDINGS)}")
        count = boundaries or 1
        shares = fractions_of(load_plan(plan)) if plan else [look / count for look in range(1, count + 1)]
        emit(boundaries_of(by, shares, alpha), as_json, _boundaries_text)
        return
    if plan is None:
        raise UsageError("give a plan, or --boundaries N for critical values")
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


def _boundaries_text(told: dict[str, Any]) -> str:
    lines = [
        f"look {look['look']}, {look['share']:.0%} of the schools: |z| of {look['limit']:.3f} or more"
        for look in told["looks"]
    ]
    if told["constant"] is not None:
        lines.insert(0, f"O'Brien and Fleming's constant: {told['constant']:.3f}")
    if len(told["looks"]) == 1:
        lines.append("one look, so that nothing is spent before it")
    return "\n".join(lines)


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
