"""``cairn feeds``: the schools' files and the morning mail, their delivery, keys, tokens and receipts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cairn.settings import settings
from cli.common import JsonOption, emit, progress

app = typer.Typer(help="The schools' feeds.", no_args_is_help=True)
key = typer.Typer(help="The keys that schools' feeds are encrypted to.", no_args_is_help=True)
token = typer.Typer(help="Tokens with which schools fetch their feeds.", no_args_is_help=True)
app.add_typer(key, name="key")
app.add_typer(token, name="token")
SchoolOption = Annotated[str, typer.Option(help="The school, by OneRoster sourcedId.")]
NameOption = Annotated[str, typer.Option(help="Who has the token, in a word or two.")]


@app.command()
def write(
    school: Annotated[str | None, typer.Option(help="This school only.")] = None,
    date: Annotated[str | None, typer.Option(help="The newest release of this data date, not the current one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write each school's folder from the current release: files, a page to print, a signed manifest with sums.

    A school whose feed cannot be written keeps its last one, labelled; the command says so and ends with status 1.

    Example: cairn feeds write --school org-school-01
    """
    from feeds.write import write as write_feeds

    with progress() as bar:
        task = bar.add_task("schools", total=None)
        result = write_feeds(
            settings(),
            school=school,
            data_date=_day(date),
            on_school=lambda done, total: bar.update(task, completed=done, total=total),
        )
    _emit_with_failed(result, as_json)


@app.command()
def send(
    date: Annotated[str | None, typer.Option(help="Feeds of this data date; the newest where absent.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was sent before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mail every school's leaders their counts and a link; the mail names no pupil.

    Example: cairn feeds send
    """
    from feeds.mail import send as send_mails

    emit(send_mails(settings(), data_date=_day(date), again=again), as_json)


@app.command()
def deliver(
    school: Annotated[str | None, typer.Option(help="This school only.")] = None, as_json: JsonOption = False
) -> None:
    """Deliver each school's newest feed, encrypted to its key, by the ways in feeds.yaml: folder, SFTP, S3.

    Example: cairn feeds deliver --school org-school-01
    """
    from feeds.deliver import deliver as deliver_feeds

    _emit_with_failed(deliver_feeds(settings(), school=school), as_json)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A feed's folder, or what was delivered.", exists=True)],
    public_key: Annotated[
        str | None, typer.Option(help="The district's key: its file or its line. This district's own where absent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a feed is whole and as the district signed it; names the file that is not.

    Example: cairn feeds verify 2026-10-14-0f8fad5bd9cb --public-key cairn-feeds.pub
    """
    from feeds.minisign import PublicKey
    from feeds.signed import check, signing_key

    if public_key is None:
        public = signing_key(settings()).public
    else:
        path = Path(public_key)
        public = PublicKey.read(path.read_text(encoding="utf-8") if path.is_file() else public_key, "--public-key")
    found = check(folder, public)
    manifest = found["manifest"]
    names = ("school_id", "release_id", "data_date", "written_at", "label")
    emit({"files": found["files"], "key": public.name} | {name: manifest[name] for name in names}, as_json)


@app.command("public-key")
def public_key(as_json: JsonOption = False) -> None:
    """The district's key for feeds, as schools check it with minisign.

    Example: cairn feeds public-key
    """
    from feeds.signed import signing_key

    public = signing_key(settings()).public
    emit({"key": public.name, "line": public.line}, as_json, lambda _: public.content().rstrip("\n"))


@app.command()
def receipts(
    school: Annotated[str | None, typer.Option(help="This school only.")] = None,
    date: Annotated[str | None, typer.Option(help="Feeds of this data date only.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Who got which feed, when and how, and what failed.

    Example: cairn feeds receipts --school org-school-01
    """
    from answers.feed_access import list_receipts

    def lines(found: dict[str, Any]) -> str:
        rows = found["receipts"]
        told = ("received_at", "school_id", "data_date", "outcome", "way", "who", "file", "detail")
        return "\n".join("  ".join(str(row[name]) for name in told).rstrip() for row in rows) or "no receipt"

    emit({"receipts": list_receipts(settings(), school, _day(date))}, as_json, lines)


@key.command("add")
def add_key(
    file: Annotated[Path, typer.Argument(help="File of public keys, one a line: age1... or ssh-ed25519.", exists=True)],
    school: SchoolOption,
    as_json: JsonOption = False,
) -> None:
    """Encrypt a school's feeds to these keys from the next feed on, in place of those before.

    Example: cairn feeds key add --school org-school-01 school-01.pub
    """
    from answers.feed_access import set_keys
    from feeds.sealing import recipients_in

    recipients = recipients_in(file.read_text(encoding="utf-8"), str(file))
    set_keys(settings(), school, recipients)
    emit({"school_id": school, "keys": len(recipients)}, as_json)


@key.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """The keys of all schools.

    Example: cairn feeds key list
    """
    from answers.feed_access import keys_of

    found = keys_of(settings())
    emit({"keys": found}, as_json, lambda _: "\n".join(f"{s}  {k}" for s, ks in found.items() for k in ks) or "no key")


@key.command("remove")
def remove_key(school: SchoolOption, as_json: JsonOption = False) -> None:
    """Take a school's keys away: nothing is delivered to it any more.

    Example: cairn feeds key remove --school org-school-01
    """
    from answers.feed_access import remove_keys

    remove_keys(settings(), school)
    emit({"school_id": school, "keys": 0}, as_json)


@token.command("add")
def add_token(school: SchoolOption, name: NameOption, as_json: JsonOption = False) -> None:
    """A token to fetch a school's feeds over HTTP; shown once, stored hashed.

    Example: cairn feeds token add --school org-school-01 --name sis
    """
    from answers import feed_access

    made = feed_access.add_token(settings(), school, name)
    emit({"school_id": school, "name": name, "token": made}, as_json)


@token.command("list")
def list_tokens(as_json: JsonOption = False) -> None:
    """All tokens: school, name and age, never the token.

    Example: cairn feeds token list
    """
    from dataclasses import asdict

    from answers import feed_access

    found = [asdict(one) for one in feed_access.list_tokens(settings())]
    lines = "\n".join(f"{one['school_id']}  {one['name']}  since {one['created_at']}" for one in found)
    emit({"tokens": found}, as_json, lambda _: lines or "no token")


@token.command("revoke")
def revoke_token(school: SchoolOption, name: NameOption, as_json: JsonOption = False) -> None:
    """End a token at once.

    Example: cairn feeds token revoke --school org-school-01 --name sis
    """
    from answers import feed_access

    feed_access.revoke_token(settings(), school, name)
    emit({"school_id": school, "name": name}, as_json)


def _emit_with_failed(result: dict[str, Any], as_json: bool) -> None:
    """The result, each failure as a line for a person, and status 1 where there is one."""
    from cli.common import say

    emit({**result, "failed": result["failed"] if as_json else len(result["failed"])}, as_json)
    for one in result["failed"]:
        stands = " (its last feed stands in, labelled)" if one.get("last_feed_stands_in") else ""
        way = f", {one['way']} {one['where']}" if "way" in one else ""
        say(f"school {one['school_id']}{way}: {one['why']}{stands}")
    if result["failed"]:
        raise typer.Exit(1)


def _day(given: str | None) -> str | None:
    """A day as it was typed, checked. Raises UsageError."""
    from datetime import date

    from cairn.errors import UsageError

    try:
        return None if given is None else date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise UsageError(f"--date {given!r} is not a day: write it as 2026-10-14") from error
