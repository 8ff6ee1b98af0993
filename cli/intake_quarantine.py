"""``cairn intake quarantine``: what intake set aside, by reason and source, and releasing what only a clock held up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cairn.settings import settings
from cli.common import JsonOption, emit

app = typer.Typer(help="What intake set aside: see it, release what only had a wrong clock.", no_args_is_help=True)

ReasonOption = Annotated[str | None, typer.Option(help="Only records with this reason.")]
SourceOption = Annotated[str | None, typer.Option(help="Only records of this source.")]
SchoolOption = Annotated[str | None, typer.Option(help="Only records that claim this school (sourcedId).")]


@app.command("list")
def list_quarantine(
    reason: ReasonOption = None, source: SourceOption = None, school: SchoolOption = None, as_json: JsonOption = False
) -> None:
    """What stands set aside, by reason and source: how many, received since when, and what to do.

    clock_ahead and before_school_year are times of work that cannot be right (intake.yaml of the district has the
    tolerance, calendar.yaml the school year); they can be released. content_conflict is another statement under an id
    that was taken before. All others break the contract of the topic.

    Example: cairn intake quarantine list --source tilewise
    """
    from dataclasses import asdict

    from spark_jobs.intake_quarantine import Wanted, list_set_aside

    groups = [
        asdict(one) | {"can_be_released": one.can_be_released, "what_to_do": one.what_to_do}
        for one in list_set_aside(settings(), Wanted(reason, source, school))
    ]
    emit({"records": sum(group["records"] for group in groups), "groups": groups}, as_json, _text)


def _text(result: dict[str, Any]) -> str:
    if not result["groups"]:
        return "nothing is set aside"
    lines = []
    for group in result["groups"]:
        schools = f"{group['schools']} school{'s' if group['schools'] != 1 else ''}"
        lines.append(
            f"{group['records']:>9,}  {group['reason']}  {group['source_id']}  {schools}  "
            f"received {group['first_date']} to {group['last_date']}"
        )
        lines.append(f"           {group['detail']}")
        lines.append(f"           do: {group['what_to_do']}")
    return "\n".join([*lines, f"{result['records']:,} set aside"])


@app.command()
def release(
    reason: ReasonOption = None,
    source: SourceOption = None,
    school: SchoolOption = None,
    work_time: Annotated[
        str,
        typer.Option(help="as-sent: the work keeps its time, right or wrong; received: it is of when it came."),
    ] = "as-sent",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be released.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring in what was set aside for its clock (clock_ahead, before_school_year), as late evidence of the next night.

    Each record keeps the instant when it first came. Choose the time of the work: "as-sent" where the clock was right
    after all (history, a summer school), "received" where the app sends at once and only its clock is wrong. Work dated
    to a day to come waits for that day. Released twice changes nothing: the second is a duplicate.

    Example: cairn intake quarantine release --reason clock_ahead --source tilewise --work-time received
    """
    from spark_jobs.intake_quarantine import Wanted
    from spark_jobs.intake_quarantine import release as released

    emit(dict(released(settings(), Wanted(reason, source, school), work_time, dry_run=dry_run)), as_json)
