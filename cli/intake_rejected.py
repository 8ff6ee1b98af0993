"""``cairn intake rejected``: what the gateway refused, by reason and source, and sending it again after a fix."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cairn.errors import CairnError
from cairn.settings import settings
from cli.common import JsonOption, emit

app = typer.Typer(help="What the gateway refused: see it, send it again after a fix.", no_args_is_help=True)

ReasonOption = Annotated[str | None, typer.Option(help="Only refusals with this reason.")]
SourceOption = Annotated[str | None, typer.Option(help="Only refusals of this source.")]


@app.command("list")
def list_rejected(reason: ReasonOption = None, source: SourceOption = None, as_json: JsonOption = False) -> None:
    """What was refused, by reason and source: how many, since when, and what to do. Never what it said.

    "kept" counts those whose original lies sealed here, so that it can be replayed once its cause is mended: a school
    in the source's scope, a newer version of Cairn. What waits for a link, an alignment or a roster was not refused: it
    comes in by itself when that is loaded; a verb that is not mapped is "cairn intake unmapped".

    Example: cairn intake rejected list --source tilewise
    """
    from dataclasses import asdict

    from streaming.rejected import list_rejected as listed

    groups = [
        asdict(one) | {"meaning": one.meaning, "what_to_do": one.what_to_do}
        for one in listed(settings(), reason=reason, source=source)
    ]
    selected = sum(group["statements"] for group in groups)
    result = {"selected": selected, "replayed": 0, "still_rejected": selected, "groups": groups}
    emit(result, as_json, _rejected_text)


def _rejected_text(result: dict[str, Any]) -> str:
    if not result["groups"]:
        return "nothing refused"
    lines = []
    for group in result["groups"]:
        days = f"{group['first_at'][:10]} to {group['last_at'][:10]}"
        lines.append(
            f"{group['statements']:>9,}  {group['reason']}  {group['source_id']}  {days}  {group['kept']:,} kept"
        )
        lines.append(f"           {group['meaning']}; the newest: {group['detail']}")
        if group["excerpt"]:
            lines.append(f"           of the kind: {group['excerpt']}")
        lines.append(f"           do: {group['what_to_do']}")
    return "\n".join([*lines, f"{result['selected']:,} refused; after a fix: cairn intake rejected replay --dry-run"])


@app.command()
def replay(
    reason: ReasonOption = None,
    source: SourceOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be accepted now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send refused statements again after a fix; exit status 1 where some are, or would be, refused again.

    Each keeps the instant when it first came. What was replayed is not replayed again, and what is refused as before is
    not sent: doing it twice changes nothing.

    Example: cairn intake rejected replay --reason school_out_of_scope --dry-run
    """
    from streaming.rejected import replay as replay_rejected

    try:
        result = replay_rejected(settings(), reason=reason, source=source, dry_run=dry_run)
    except LookupError as error:
        raise CairnError(str(error)) from None
    emit(dict(result), as_json)
    if result.get("still_rejected"):
        raise typer.Exit(1)
