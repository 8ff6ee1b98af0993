"""``cairn intake``: Kafka to lake, the books, what was refused, and the watch over all of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import typer

from cairn.errors import CairnError, UsageError
from cairn.settings import settings
from cli.common import JsonOption, console, emit, say

app = typer.Typer(help="Kafka to lake, and the books.", no_args_is_help=True)
rejected_app = typer.Typer(help="What the gateway refused: see it, send it again after a fix.", no_args_is_help=True)
app.add_typer(rejected_app, name="rejected")
unmapped_app = typer.Typer(
    help="Statements whose verb is not mapped yet: see which, make them count.", no_args_is_help=True
)
app.add_typer(unmapped_app, name="unmapped")

ReasonOption = Annotated[str | None, typer.Option(help="Only refusals with this reason.")]
SourceOption = Annotated[str | None, typer.Option(help="Only refusals of this source.")]
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
    if follow:
        from spark_jobs import intake_service

        raise typer.Exit(intake_service.main())
    from spark_jobs import intake, intake_state

    if accept_loss:
        intake_state.accept_loss(settings())
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
    """Lag, silent sources by the school calendar, rejection rate, books: one line a finding, exit status 1 if any.

    Example: cairn intake watch
    """
    from cli.intake_watch import findings

    result = findings(settings())
    emit(result, as_json, lambda found: "\n".join(found["findings"]) or "intake is well")
    if result["findings"]:
        raise typer.Exit(1)


@rejected_app.command("list")
def list_rejected(reason: ReasonOption = None, source: SourceOption = None, as_json: JsonOption = False) -> None:
    """What was refused, by source and reason, never what it said.

    Example: cairn intake rejected list --reason unknown_verb
    """
    from streaming.rejected import list_rejected as listed

    rows = listed(settings(), reason=reason, source=source)
    emit({"selected": len(rows), "replayed": 0, "still_rejected": len(rows), "rows": rows}, as_json, _rejected_text)


def _rejected_text(result: dict[str, Any]) -> str:
    if not result["rows"]:
        return "nothing refused"
    lines = [
        "  ".join(
            [_day(row.get("received_at")), row["source_id"], row["org_id"], row["reason"], row.get("detail") or ""]
        )
        for row in result["rows"]
    ]
    return "\n".join([*lines, f"{len(lines)} refused"])


def _day(value: object) -> str:
    return value.date().isoformat() if isinstance(value, datetime) else str(value)[:10]


@rejected_app.command()
def replay(
    reason: ReasonOption = None,
    source: SourceOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be accepted now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send refused statements again after a fix; exit status 1 where some are, or would be, refused again.

    Example: cairn intake rejected replay --reason unknown_verb --dry-run
    """
    from streaming.rejected import replay as replay_rejected

    try:
        result = replay_rejected(settings(), reason=reason, source=source, dry_run=dry_run)
    except LookupError as error:
        raise CairnError(str(error)) from None
    emit(result, as_json)
    if result.get("still_rejected"):
        raise typer.Exit(1)


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
