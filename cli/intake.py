"""``cairn intake``: Kafka to lake, the books, what was refused or set aside, and the watch over all of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from cairn.errors import UsageError
from cairn.settings import settings
from cli.common import JsonOption, console, emit, say
from cli.intake_quarantine import app as quarantine_app
from cli.intake_rejected import app as rejected_app

app = typer.Typer(help="Kafka to lake, and the books.", no_args_is_help=True)
app.add_typer(rejected_app, name="rejected")
app.add_typer(quarantine_app, name="quarantine")
unmapped_app = typer.Typer(
    help="Statements whose verb is not mapped yet: see which, make them count.", no_args_is_help=True
)
app.add_typer(unmapped_app, name="unmapped")

SenderOption = Annotated[str | None, typer.Option("--source", help="Only statements of this source.")]


def parse_date(text: str | None) -> date | None:
    """An ISO date from the command line. Raises UsageError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date: write it as YYYY-MM-DD") from None


@app.command()
def run(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted.")] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on although a topic lost records; the books say which.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in what the topics hold, once or for good.

    Where the intake service runs already, waits until it has passed the topics' present end.

    Example: cairn intake run
    """
    from spark_jobs import intake_state

    if accept_loss:
        intake_state.accept_loss(settings())
    if follow:
        from spark_jobs import intake_service

        raise typer.Exit(intake_service.main())
    from spark_jobs import intake

    with console.status("taking in what the topics hold"):
        result = intake.run_once(settings(), on_batch=lambda done: say(done.line()), report=say)
    emit(dict(result), as_json)


@app.command("ledger")
def show_ledger(
    date: Annotated[str | None, typer.Option(help="Only statements received on this day (YYYY-MM-DD).")] = None,
    as_json: JsonOption = False,
) -> None:
    """The books: per receipt date, source and school, what was received and what became of it.

    Where they do not balance, the lines below name the hop, the day, the source, the school and the count.

    Example: cairn intake ledger --date 2026-10-14
    """
    from releases.books import breaks
    from spark_jobs.intake_ledger import ledger, totals

    day = parse_date(date)
    rows = ledger(settings(), day)
    found, unseen = breaks(settings(), None if day is None else [day])
    result = {**totals(rows), "rows_by": ["received_date", "source_id", "org_id"], "rows": rows}
    result |= {"breaks": [one.row() for one in found], "break_lines": [one.line() for one in found], "unseen": unseen}
    emit(result, as_json, _ledger_text)


def _ledger_text(result: dict[str, Any]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    from spark_jobs.intake_ledger import COUNTS

    if not result["rows"] and not result["break_lines"]:
        return "nothing received yet: send some with 'cairn activity send', then 'cairn intake run'"
    table = Table("date", "source", "school", box=None, header_style="bold")
    for name in COUNTS:
        table.add_column(name, justify="right")
    for row in result["rows"]:
        scope = (str(row["received_date"]), row["source_id"], row["org_id"])
        table.add_row(*scope, *(f"{row[name]:,}" for name in COUNTS))
    table.add_section()
    table.add_row("all", "", "", *(f"{result[name]:,}" for name in COUNTS), style="bold")
    out = StringIO()
    Console(file=out, width=160).print(table)
    said = result["break_lines"] or ["every hop balances, from the gateway to the page"]
    return "\n".join([out.getvalue().rstrip(), *said, *filter(None, [result["unseen"]])])


@app.command()
def watch(as_json: JsonOption = False) -> None:
    """Look at lag, silent and surging sources by the school calendar, refusals and books; exit status 1 where any
    alarm stands.

    An alarm is raised once and stands until what it is about is over; engineers with an account are mailed when it is
    raised and when it is over. Each line says since when, what was expected, what came, and the next command.

    Example: cairn intake watch
    """
    from cli.intake_watch import watch as watched

    result = watched(settings())
    emit(result, as_json, lambda found: "\n".join(found["findings"]) or "intake is well")
    if not result["mailed"]:
        say("the mail server did not take the mail about alarms: see 'cairn status'; the next look tries again")
    if result["findings"]:
        raise typer.Exit(1)


@app.command()
def alarms(
    days: Annotated[int, typer.Option(min=0, help="Also those that were over within so many days.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Alarms that the watch has raised: which stand, since when, and which are over.

    Example: cairn intake alarms --days 30
    """
    from dataclasses import asdict
    from datetime import UTC, datetime, timedelta

    from gates.intake_alarms import since

    found = since(settings(), datetime.now(UTC) - timedelta(days=days))
    rows = [asdict(alarm) | {"line": alarm.line()} for alarm in found]
    emit({"standing": sum(alarm.cleared_at is None for alarm in found), "alarms": rows}, as_json, _alarms_text)


def _alarms_text(result: dict[str, Any]) -> str:
    lines = [
        f"{row['raised_at'][:16]}  {'stands' if row['cleared_at'] is None else 'over ' + row['cleared_at'][:16]}  "
        f"{row['line']}"
        for row in result["alarms"]
    ]
    return "\n".join(lines) or "no alarm"


@unmapped_app.command("list")
def list_unmapped(source: SenderOption = None, as_json: JsonOption = False) -> None:
    """Verbs that verbs.yaml does not have, by source, with how many statements wait for them.

    Example: cairn intake unmapped list --source tilewise
    """
    from dataclasses import asdict

    from streaming.unmapped import list_unmapped as listed

    rows = [asdict(one) for one in listed(settings(), source)]
    emit({"statements": sum(row["statements"] for row in rows), "rows": rows}, as_json, _unmapped_text)


def _unmapped_text(result: dict[str, Any]) -> str:
    if not result["rows"]:
        return "every verb that was taken in is mapped"
    lines = [
        f"{row['statements']:>9,}  {row['source_id']:<24} {row['first_date']} to {row['last_date']}  {row['verb']}"
        + (f"  mapped by now: {row['means']}" if row["means"] else "")
        for row in result["rows"]
    ]
    said = "map a verb in verbs.yaml of the district, restart the gateway, then: cairn intake unmapped replay"
    return "\n".join([*lines, f"{result['statements']:,} statements wait; {said}"])


@unmapped_app.command("replay")
def replay_unmapped(
    source: SenderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would count now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make statements count whose verb has been mapped since they came.

    Example: cairn intake unmapped replay --dry-run
    """
    from streaming.unmapped import replay_unmapped as replayed

    emit(dict(replayed(settings(), source, dry_run)), as_json)
