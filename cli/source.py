"""``cairn source``: senders and their tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.errors import UsageError
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Senders and their tokens.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the sender, lower case: it stands in every record.")],
    schools: Annotated[
        str, typer.Option(help="sourcedIds of the schools it may speak for, by comma; all if empty.")
    ] = "",
    rate: Annotated[float, typer.Option(help="Statements a second it may send; 0 for no limit.")] = 0.0,
    subjects: Annotated[bool, typer.Option("--subjects", help="May ask /subjects for subject keys.")] = False,
    save_token: Annotated[
        bool, typer.Option("--save-token", help="Keep the token for 'cairn activity send' on this machine.")
    ] = False,
    mode: Annotated[
        str,
        typer.Option(
            help="strict: an xAPI request whole or not at all, by the specification; partial: each statement alone."
        ),
    ] = "strict",
    as_json: JsonOption = False,
) -> None:
    """Let an app send: prints its token, once.

    Example: cairn source add tilewise --schools sch-01,sch-02 --rate 500 --mode partial
    """
    from cairn.settings import settings
    from streaming.sources import Mode, SourceRegistry

    if mode not in tuple(Mode):
        raise UsageError(f"{mode!r} is no mode: --mode strict or --mode partial")
    wanted = [school.strip() for school in schools.split(",") if school.strip()]
    source, token = SourceRegistry(settings()).add(name, wanted, rate, subjects, save_token, Mode(mode))
    emit({"source_id": source.source_id, "mode": source.mode.value, "token": token}, as_json)
    if not as_json:
        say("The token is shown this once; only its hash is stored.")


@app.command("list")
def list_sources(as_json: JsonOption = False) -> None:
    """Every sender, without its token.

    Example: cairn source list
    """
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    sources = [
        {
            "source_id": source.source_id,
            "schools": sorted(source.schools),
            "rate": source.rate,
            "subjects": source.can_ask_subjects,
            "mode": source.mode.value,
            "created_at": source.created_at,
            "revoked_at": source.revoked_at,
        }
        for source in SourceRegistry(settings()).all()
    ]
    emit({"sources": sources}, as_json, _table)


def _table(result: dict[str, object]) -> str:
    rows = result["sources"]
    assert isinstance(rows, list)
    lines = [
        f"{row['source_id']:<24} {'revoked' if row['revoked_at'] else 'active':<8} {row['mode']:<8} "
        f"{','.join(row['schools']) or 'all schools'}"
        for row in rows
    ]
    return "\n".join(lines) or "no sources yet: cairn source add NAME"


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Name of the sender.")], as_json: JsonOption = False) -> None:
    """End a sender's token, within a second.

    Example: cairn source revoke tilewise
    """
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    source = SourceRegistry(settings()).revoke(name)
    emit({"source_id": source.source_id, "revoked_at": source.revoked_at}, as_json)
