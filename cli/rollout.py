"""``cairn rollout``: is it reaching pupils, as planned, on time, at what cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit

app = typer.Typer(help="Rollout metrics.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Rollout metrics."""


@app.command()
def report(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Newest release up to this day (YYYY-MM-DD).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pupils reached, dosage, milestones late, cost, adults' learning, readiness and support, a pilot and in all.

    With --json also each table behind them, protected as the page shows it. What was not sent is named, with the
    command that brings it.

    Example: cairn rollout report
    """
    from cairn.settings import settings
    from cli.night import parse_date
    from pilots.rollout import why_empty
    from releases.evaluation_shown import rollout

    def text(result: dict[str, Any]) -> str:
        lines = [f"release {result['release_id']}"]
        barriers = {row["scope"]: row["value"] for row in result["metrics"] if row["name"] == "barriers_open"}
        for metric in result["metrics"]:
            own = [row for row in result.get("sent", ()) if f"pilot:{row['pilot_id']}" == metric["scope"]]
            sent = {row["fact_type"]: row for row in own}
            value = f"{metric['value']:g} {metric['unit']}" if metric["value"] is not None else None
            value = value or why_empty(metric["name"], sent, barriers.get(metric["scope"]))
            lines.append(f"{metric['scope']}  {metric['name'].replace('_', ' ')}: {value}")
        return "\n".join(lines)

    emit(rollout(settings(), parse_date(as_of[:10]) if as_of else None), as_json, text)
