"""``cairn activity``: sending what learners do through the gateway."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit, progress, say

if TYPE_CHECKING:
    from cairn.settings import Settings
    from streaming.replay_responses import Prepared

app = typer.Typer(help="Send learner activity through the gateway.", no_args_is_help=True)

INTAKE_SECONDS = 300.0

SourceOption = Annotated[str, typer.Option(help="Sender, as in 'cairn source list'.")]
TokenOption = Annotated[
    str | None, typer.Option(envvar="CAIRN_TOKEN", help="The sender's token; else the one kept on this machine.")
]


@app.command()
def send(
    path: Annotated[Path, typer.Argument(help="File or folder: .json, .jsonl or .ndjson, plain or .gz.")],
    source: SourceOption,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post xAPI statements or Caliper envelopes; what fails is sent again, what is refused is counted.

    Example: cairn activity send statements.jsonl.gz --source tilewise
    """
    from cairn.settings import settings
    from streaming import client

    with progress() as bar:
        task = bar.add_task("statements sent", total=None)
        result = client.send(
            settings(),
            path,
            source,
            token,
            on_progress=lambda sent: bar.update(task, completed=sent),
            on_problem=say,
        )
    emit(result, as_json)


@app.command("replay-responses")
def replay_responses(
    file: Annotated[Path, typer.Argument(help="Parquet or csv: user_id, skill_id, correct; item_id, timestamp, t.")],
    source: SourceOption,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first rows only.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Statements a second; 0 for as fast as it goes.")] = 0.0,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day of work where times have to be made; yesterday by default."),
    ] = None,
    auc: Annotated[
        bool, typer.Option("--auc/--no-auc", help="Wait for the lake, then say how well next responses are predicted.")
    ] = True,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a table of responses as xAPI statements, with a school, framework and items of its own.

    Example: cairn activity replay-responses responses.parquet --limit 50000 --source replay
    """
    from cairn.settings import settings
    from streaming import client
    from streaming.replay_responses import prepare

    begun = time.monotonic()
    home = settings()
    prepared = prepare(home, file, limit, until.date() if until else None)
    say(
        f"{len(prepared.responses):,} responses of {prepared.users:,} learners to {prepared.items:,} items "
        f"({prepared.skills:,} skills); work times {'kept' if prepared.has_own_times else 'made from the order'}"
    )
    token = token or _own_token(home, source, prepared.stem)
    _load(home, prepared)
    with progress() as bar:
        task = bar.add_task("statements sent", total=len(prepared.responses))
        totals = client.send_statements(
            home, prepared.statements(), source, token, rate, lambda sent: bar.update(task, completed=sent)
        )
    result: dict[str, Any] = {
        **totals.as_dict(),
        "seconds": round(time.monotonic() - begun, 1),
        "skipped": prepared.skipped,
        "framework_id": prepared.stem,
        "school_id": prepared.stem,
        "last_work_date": prepared.last_work_date.isoformat(),
    }
    if auc:
        result["auc"] = _next_response_auc(home, prepared.stem)
    emit(result, as_json)


def _next_response_auc(settings: Settings, framework: str) -> float | None:
    """Next-response AUC on the framework's pupils once the lake holds what was sent; None, and why, where it cannot."""
    from cairn.errors import CairnError
    from cairn.mastery.config import load_config
    from cairn.mastery.predictors import BktRule
    from spark_jobs.evaluate_lake import next_response_accuracy
    from spark_jobs.intake_state import wait_until_passed
    from streaming.topics import end_offsets

    try:
        say("waiting until the lake holds it, then predicting the next response of a fifth of the learners")
        wait_until_passed(settings, end_offsets(settings), INTAKE_SECONDS)
        fitting = load_config(settings).fit
        rule = BktRule(fitting.bounds, fitting.default)
        auc: float | None = next_response_accuracy(settings, framework, "share", rule)["auc"]
        return auc
    except CairnError as error:
        say(f"no AUC: {error}; later: cairn mastery evaluate --from-lake {framework}")
        return None


def _own_token(settings: Settings, source: str, school: str) -> str | None:
    """The token of a sender made for this replay where there is none of that name; None to look for the kept one."""
    from streaming.sources import Mode, SourceRegistry

    registry = SourceRegistry(settings)
    if any(known.source_id == source and known.revoked_at is None for known in registry.all()):
        return None
    _, token = registry.add(source, [school], save_token=True, mode=Mode.PARTIAL)
    say(f"source {source!r} was not there: added for school {school!r}, its token kept on this machine")
    return token


def _load(settings: Settings, prepared: Prepared) -> None:
    """Roster, framework and alignments by the ordinary loaders."""
    from loading import load_competencies, load_items, load_roster

    say("loading the roster, the framework and the items")
    load_roster(settings, prepared.roster_path)
    load_competencies(settings, prepared.competencies_path)
    load_items(settings, prepared.items_path)
