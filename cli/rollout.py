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
    """Pupils reached, dosage, milestones late and cost per pupil, a pilot and in all.

    Example: cairn rollout report
    """
    from cairn.settings import settings
    from cli.night import parse_date
    from releases.evaluation import rollout

    def text(result: dict[str, Any]) -> str:
        lines = [f"release {result['release_id']}"]
        for metric in result["metrics"]:
            value = "not known" if metric["value"] is None else f"{metric['value']:g}"
            lines.append(f"{metric['scope']}  {metric['name'].replace('_', ' ')}: {value} {metric['unit']}")
        return "\n".join(lines)

    emit(rollout(settings(), parse_date(as_of[:10]) if as_of else None), as_json, text)
