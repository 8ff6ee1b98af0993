"""``cairn source``: senders and their tokens."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cairn.errors import UsageError
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Senders and their tokens (docs/how-to/connect-an-app.md).", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Name of the sender.")]
SaveOption = Annotated[
    bool, typer.Option("--save-token", help="Keep the token for 'cairn activity send' on this machine.")
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the sender, lower case: it stands in every record.")],
    schools: Annotated[
        str, typer.Option(help="sourcedIds of the schools it may speak for, by comma; all if empty.")
    ] = "",
    rate: Annotated[float, typer.Option(help="Statements a second it may send; 0 for no limit.")] = 0.0,
    subjects: Annotated[bool, typer.Option("--subjects", help="May ask /subjects for subject keys.")] = False,
    subject_rate: Annotated[
        float, typer.Option(help="Identifiers a second that it may ask /subjects about, in the mean; more than 0.")
    ] = 100.0,
    save_token: SaveOption = False,
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
    source, token = SourceRegistry(settings()).add(name, wanted, rate, subjects, save_token, Mode(mode), subject_rate)
    emit({"source_id": source.source_id, "mode": source.mode.value, "token": token}, as_json)
    if not as_json:
        say("The token is shown this once; only its hash is stored.")


@app.command("list")
def list_sources(as_json: JsonOption = False) -> None:
    """Every sender, its tokens' ages and last use (right to half a minute), never a token itself.

    Example: cairn source list
    """
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    registry = SourceRegistry(settings())
    sources = [
        {
            "source_id": source.source_id,
            "schools": sorted(source.schools),
            "rate": source.rate,
            "subjects": source.can_ask_subjects,
            "subject_rate": source.subject_rate,
            "mode": source.mode.value,
            "created_at": source.created_at,
            "revoked_at": source.revoked_at,
            "tokens": [asdict(token) for token in registry.tokens(source.source_id)],
        }
        for source in registry.all()
    ]
    emit({"sources": sources}, as_json, _table)


def _table(result: dict[str, Any]) -> str:
    rows = result["sources"]
    lines = []
    for row in rows:
        lines.append(
            f"{row['source_id']:<24} {'revoked' if row['revoked_at'] else 'active':<8} {row['mode']:<8} "
            f"{','.join(row['schools']) or 'all schools'}"
        )
        lines += [f"    {_token_line(token)}" for token in row["tokens"]]
    return "\n".join(lines) or "no sources yet: cairn source add NAME"


def _token_line(token: dict[str, str | None]) -> str:
    """One token: which, how old, when last used, and its end where it has one."""
    now = datetime.now(UTC)
    age = (now - datetime.fromisoformat(token["created_at"] or "")).days
    ends_at = token["ends_at"]
    end = ""
    if ends_at:
        end = f"; {'ended' if datetime.fromisoformat(ends_at) <= now else 'ends'} {ends_at}"
    return f"token {token['token_id']}, {age} days old, last used {token['last_used_at'] or 'never'}{end}"


@app.command()
def rotate(
    name: NameArgument,
    overlap_hours: Annotated[
        float, typer.Option(help="Hours that the old token still works beside the new one; 0 ends it at once.")
    ] = 24.0,
    save_token: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a sender a new token, printed once. It works at once; the old one works too until the overlap is over.

    No request is lost: put the new token into the app within the overlap, see in 'cairn source list' that it is used,
    and let the old one end. A token that leaked is rotated with --overlap-hours 0: it ends within a second. A token
    kept on this machine by --save-token is replaced there.

    Example: cairn source rotate tilewise --overlap-hours 48
    """
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    token, ends_at = SourceRegistry(settings()).rotate(name, timedelta(hours=overlap_hours), save_token)
    emit({"source_id": name, "token": token, "old_tokens_end_at": ends_at.isoformat()}, as_json)
    if not as_json:
        say("The token is shown this once; only its hash is stored.")


@app.command()
def revoke(name: NameArgument, as_json: JsonOption = False) -> None:
    """End a sender and all its tokens, within a second.

    Example: cairn source revoke tilewise
    """
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    source = SourceRegistry(settings()).revoke(name)
    emit({"source_id": source.source_id, "revoked_at": source.revoked_at}, as_json)


@app.command()
def asked(
    source: Annotated[str | None, typer.Option(help="Only this sender's requests.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Who asked /subjects for how many keys, and when; oldest first. No identifier is kept.

    Requests over the sender's rate are not among them: they got nothing and are counted in /metrics.

    Example: cairn source asked --source quillboard
    """
    from cairn.settings import settings
    from streaming.subjects import list_requests

    emit({"requests": list_requests(settings(), source)}, as_json, _asked)


@app.command()
def acl(
    name: Annotated[str, typer.Argument(help="Name of a sender that produces to Kafka itself.")],
    principal: Annotated[
        str | None,
        typer.Option(help="Who the broker takes it for, if not User:NAME by password: User:CN=... of its certificate."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Make them at the broker; prints a password once.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take them and its user away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a direct producer may do at the broker: write activity and receipts, under transactional ids of its own.

    Prints the commands for who runs the broker; --apply does the same itself, as kafka_username or on this machine, and
    makes a user with a password. Done again it makes a new password, and the old one ends. Not needed by an app that
    posts to the gateway.

    Example: cairn source acl sis-bridge --apply
    """
    from cairn.settings import settings
    from streaming import direct
    from streaming.sources import SourceRegistry

    if apply and remove:
        raise UsageError("--apply or --remove, not both")
    SourceRegistry(settings()).get(name)
    who = direct.producer(name, principal)
    result: dict[str, Any] = {
        "principal": who.principal,
        "transactional_id_prefix": who.transactional_id_prefix,
        "commands": who.commands(),
    }
    if apply:
        result |= {"username": name, "password": direct.let_in(settings(), who, with_password=principal is None)}
    if remove:
        result["removed"] = direct.shut_out(settings(), who)
    emit(result, as_json, _acl)


def _acl(result: dict[str, Any]) -> str:
    if "removed" in result:
        return f"{result['removed']} ACLs of {result['principal']} are gone, and its user"
    if "password" in result:
        lines = [f"{result['principal']} may write now, with ids that begin with {result['transactional_id_prefix']}"]
        if result["password"]:
            lines += [f"username: {result['username']}", f"password: {result['password']} (shown this once)"]
        return "\n".join(lines)
    return "\n".join(result["commands"])


def _asked(result: dict[str, Any]) -> str:
    lines = [
        f"{row['asked_at'][:19]}Z  {row['source_id']:<24} asked for {row['identifiers']:>6,}, got {row['given']:>6,}"
        for row in result["requests"]
    ]
    return "\n".join(lines) or "nobody asked yet"
