"""``cairn students``: who is who, for those entitled; every look is logged."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="Who is who, for those entitled; logged.", no_args_is_help=True)


ROUTE = "cairn students show"


@app.callback()
def group() -> None:
    """Who is who, for those entitled; logged."""


@app.command()
def show(
    student: Annotated[str, typer.Argument(help="Student key, or an identifier: sourcedId, user name, mail.")],
    purpose: Annotated[str, typer.Option(help="Why you look; written to the log of disclosures.")] = "students show",
    as_json: JsonOption = False,
) -> None:
    """Show a person's name and the links between identifiers outside and the person. Logged.

    Example: cairn students show p_4f1d2c3b4a59687710293847 --purpose "help desk 118"
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
    emit({"student_key": key, "name": name.display, "links": links}, as_json, _shown)


@app.command()
def link(
    student: Annotated[str, typer.Argument(help="Student key, or an identifier: sourcedId, user name, mail.")],
    kind: Annotated[str, typer.Option(help="Kind of the identifier: mbox, caliper, account:<homePage>, ...")],
    value: Annotated[str, typer.Option(help="The identifier.")],
    as_json: JsonOption = False,
) -> None:
    """Say that an identifier means this person: activity waiting under it is counted from the next night on.

    Example: cairn students link p_4f1d2c3b4a59687710293847 --kind mbox --value ann@example.org
    """
    from cairn.settings import settings
    from loading import link_student

    result = link_student(settings(), student, kind, value)
    emit(result, as_json, lambda done: f"{len(done['links'])} link(s); to restate: {', '.join(done['restated'])}")


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


def _shown(result: dict[str, Any]) -> str:
    lines = [f"{result['student_key']}  {result['name']}"]
    for item in result["links"]:
        mark = " " if item["student_key"] == result["student_key"] else "*"
        until = item["valid_to"].date() if item["valid_to"] else "now"
        lines.append(
            f"{mark} {item['subject_key']}  {item['kind']}  {item['valid_from'].date()} to {until}  {item['reason']}"
        )
    return "\n".join(lines)
