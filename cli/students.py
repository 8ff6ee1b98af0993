"""``cairn students``: who is who, for those entitled; every look is logged."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import students_erase
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Who is who, for those entitled; logged.", no_args_is_help=True)


ROUTE = "cairn students show"
StudentArgument = Annotated[str, typer.Argument(help="Student key, or an identifier: sourcedId, user name, mail.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the vault with who decided it and when.")]


app.command("erase")(students_erase.erase)
app.command("erased")(students_erase.erased)


@app.callback()
def group() -> None:
    """Who is who, for those entitled; logged."""


@app.command()
def show(
    student: StudentArgument,
    purpose: Annotated[str, typer.Option(help="Why you look; written to the log of disclosures.")] = "students show",
    held: Annotated[
        bool, typer.Option("--held", help="Also all that is held of the person; reads every table with people.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a person's name and the links between identifiers outside and the person. Logged.

    With --held also what is kept, without its content: each table with rows, sources and days, then releases, feeds,
    sealed originals, other files. What is wrong is corrected where it came from: the roster, the file, the app; whose
    it is by students link, merge and split.

    Example: cairn students show p_4f1d2c3b4a59687710293847 --held --purpose "request 2026-118"
    """
    from cairn.settings import settings
    from cli.common import actor
    from identity.vault import Vault
    from loading import one_student

    vault = Vault(settings())
    key = one_student(vault, student)
    name = vault.names([key], actor=actor(), purpose=purpose, kind="command", route=ROUTE)[key]
    say("logged: see 'cairn disclosures list'")
    links = [{"kind": link.kind, **link.as_row()} for link in vault.links_for([key])]
    merged = [one.gone_key if one.kept_key == key else one.kept_key for one in vault.merges(key)]
    result: dict[str, Any] = {
        "student_key": key,
        "name": name.display,
        "links": links,
        "merged_with": merged,
        "decisions": vault.decisions(key),
    }
    if held:
        from feeds.erasure import Feeds
        from night.holdings import holdings

        result["held"] = holdings(settings(), key, [Feeds()])
    emit(result, as_json, _shown)


@app.command()
def link(
    student: StudentArgument,
    identifier: Annotated[
        str | None, typer.Argument(help="KIND=VALUE, as mbox=ann@example.org; or --kind and --value.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind of the identifier: mbox, caliper, account:<homePage>, ...")
    ] = None,
    value: Annotated[str | None, typer.Option(help="The identifier.")] = None,
    reason: ReasonOption = "not given",
    as_json: JsonOption = False,
) -> None:
    """Say that an identifier means this person: activity waiting under it is counted from the next night on. Logged.

    A decision by hand stands against the roster, also for an identifier that several people share.

    Example: cairn students link p_4f1d2c3b4a59687710293847 mbox=ann@example.org --reason "help desk 118"
    """
    from cairn.settings import settings
    from cli.common import actor
    from loading import link_student

    if identifier is not None and "=" in identifier and not (kind or value):
        kind, _, value = identifier.partition("=")
    elif identifier is not None:
        raise typer.BadParameter("give KIND=VALUE, or --kind and --value and no third argument")
    if not kind or not value:
        raise typer.BadParameter("name the identifier: KIND=VALUE, or --kind and --value")
    result = link_student(settings(), student, kind, value, by=actor(), reason=reason)
    emit(result, as_json, _linked)


@app.command()
def merge(
    student: StudentArgument,
    other: Annotated[str, typer.Argument(help="The other record of the same person: key or identifier.")],
    reason: ReasonOption = "not given",
    as_json: JsonOption = False,
) -> None:
    """Say that two records are one person, who keeps the first one's key. Undone by students split. Logged.

    Work, links, enrolments and results of the second become the first's from now on; answers as of an earlier day stay
    as they were. What teachers said and logged of the second record stays with its key until they say it again.

    Example: cairn students merge p_4f1d2c3b4a59687710293847 p_9b3c1d2e4f5a6b7c8d9e0f1a --reason "registered twice"
    """
    from cairn.settings import settings
    from cli.common import actor
    from loading import merge_students

    emit(merge_students(settings(), student, other, by=actor(), reason=reason), as_json, _linked)


@app.command()
def split(
    student: Annotated[str, typer.Argument(help="Key of either record that was merged, as students show lists them.")],
    reason: ReasonOption = "not given",
    as_json: JsonOption = False,
) -> None:
    """Take the newest merge of a person apart: both records are again what they were before it. Logged.

    Identifiers that were linked otherwise since stay so.

    Example: cairn students split p_4f1d2c3b4a59687710293847 --reason "two pupils after all"
    """
    from cairn.settings import settings
    from cli.common import actor
    from loading import split_students

    emit(split_students(settings(), student, by=actor(), reason=reason), as_json, _linked)


def _linked(result: dict[str, Any]) -> str:
    moved = "".join(f"; {rows} row(s) of {table}" for table, rows in result.get("moved", {}).items())
    return f"{len(result['links'])} link(s){moved}; the next night restates: {', '.join(result['restated'])}"


@app.command()
def shared(as_json: JsonOption = False) -> None:
    """List identifiers that several living people claim: they mean nobody until the roster or a link by hand decides.

    Names kinds and student keys, never the identifier. Example: cairn students shared
    """
    from cairn.settings import settings
    from identity.vault import Vault

    found = [
        {"kind": one.kind, "subject_key": one.subject_key, "student_keys": list(one.student_keys), "means": one.means}
        for one in Vault(settings()).shared()
    ]
    emit({"shared": found}, as_json, _shared)


def _shared(result: dict[str, Any]) -> str:
    lines = [f"{len(result['shared']):,} identifier(s) of several people"]
    for item in result["shared"]:
        meant = f"means {item['means']}, by hand" if item["means"] else "means nobody"
        lines.append(f"{item['kind']}  {', '.join(item['student_keys'])}: {meant}")
    return "\n".join(lines)


def _held_line(one: dict[str, Any]) -> str:
    days = f"  {one['first_date']} to {one['last_date']}" if one["first_date"] else ""
    sources = f"  from {', '.join(one['sources'])}" if one["sources"] else ""
    return f"held  {one['rows']:>8,}  {one['table']}{days}{sources}"


def _shown(result: dict[str, Any]) -> str:
    lines = [f"{result['student_key']}  {result['name']}"]
    for item in result["links"]:
        mark = " " if item["student_key"] == result["student_key"] else "*"
        until = item["valid_to"].date() if item["valid_to"] else "now"
        lines.append(
            f"{mark} {item['subject_key']}  {item['kind']}  {item['valid_from'].date()} to {until}  {item['reason']}"
        )
    lines += [f"one person with {other}: 'cairn students split {other}' undoes it" for other in result["merged_with"]]
    lines += [
        f"{one['decided_at'][:16]}  {one['decided_by']}  {one['decision']} {one['student_key']} {one['other_key']}"
        f"  {one['reason']}"
        for one in result["decisions"]
    ]
    if "held" in result:
        lines += [_held_line(one) for one in result["held"]["tables"]]
        lines += [f"held  {count:>8,}  {place}" for place, count in result["held"]["places"].items()]
        lines.append(f"the topic {result['held']['topic']}")
    return "\n".join(lines)
