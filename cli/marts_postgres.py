"""``cairn marts postgres``: the current release on a Postgres server, who reads what of it, whether models agree."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="The current release on a Postgres server, by role.", no_args_is_help=True)

UrlOption = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="CAIRN_POSTGRES_URL",
        help="postgresql://USER@HOST:PORT/DATABASE; the password from PGPASSWORD or ~/.pgpass.",
    ),
]
SchemaOption = Annotated[str, typer.Option("--schema", help="Schema of the marts; roles are named after it.")]
SCHEMA = "cairn"


@app.callback()
def group() -> None:
    """The current release on a Postgres server, by role."""


@app.command()
def publish(url: UrlOption, schema: SchemaOption = SCHEMA, as_json: JsonOption = False) -> None:
    """Lay the current release down on the server in one transaction, in the place of the one before.

    Example: cairn marts postgres publish --url postgresql://cairn@db.district.example/warehouse
    """
    from cairn.settings import settings
    from releases import postgres

    release, tables = postgres.publish(settings(), url, schema)
    emit({"release_id": release.release_id, "schema": schema, "tables": tables}, as_json)


@app.command()
def grant(
    login: Annotated[str, typer.Argument(help="A login that the server has.")],
    url: UrlOption,
    role: Annotated[str, typer.Option(help="school_leader, teacher, central_office or engineer.")],
    school: Annotated[
        list[str] | None, typer.Option("--school", help="Own school, by sourcedId; again for more.")
    ] = None,
    teacher_key: Annotated[
        str | None, typer.Option(help="A teacher's key, as 'cairn students show' prints it.")
    ] = None,
    schema: SchemaOption = SCHEMA,
    as_json: JsonOption = False,
) -> None:
    """Make a login a reader, in the place of what it was before.

    Example: cairn marts postgres grant north_office --role school_leader --school s-north
    """
    from cairn.errors import UsageError
    from releases import postgres
    from releases.postgres_access import Role

    if role not in set(Role):
        raise UsageError(f"unknown role {role!r}: {', '.join(Role)}")
    found = postgres.grant(url, login, Role(role), schools=school or (), teacher_key=teacher_key, schema=schema)
    emit({"readers": found}, as_json, _lines)


@app.command()
def revoke(
    login: Annotated[str, typer.Argument(help="A login that the server has.")],
    url: UrlOption,
    schema: SchemaOption = SCHEMA,
    as_json: JsonOption = False,
) -> None:
    """Take all that a login may read from it.

    Example: cairn marts postgres revoke north_office
    """
    from releases import postgres

    postgres.revoke(url, login, schema)
    emit({"login": login, "revoked": True}, as_json)


@app.command()
def readers(url: UrlOption, schema: SchemaOption = SCHEMA, as_json: JsonOption = False) -> None:
    """Who reads, as what, and which schools or classes are its own.

    Example: cairn marts postgres readers
    """
    from releases import postgres

    emit({"readers": postgres.readers(url, schema)}, as_json, _lines)


def _lines(result: dict[str, Any]) -> str:
    return "\n".join(
        f"{one['login']:<32}{one['role']:<16}{one['school_id'] or one['teacher_key'] or ''}"
        for one in result["readers"]
    )


@app.command()
def compare(
    url: UrlOption,
    date: Annotated[
        str | None, typer.Option("--date", help="Data date, YYYY-MM-DD; yesterday in the district's zone if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the marts' models on the server and in DuckDB on the same working tables, and count rows that differ.

    Example: cairn marts postgres compare --date 2026-10-14
    """
    from cairn.errors import CairnError
    from cairn.settings import settings
    from cli.night import parse_date
    from night.status import default_date
    from releases import postgres_models

    say("dbt build in DuckDB, then the marts on the server ...")
    differing = postgres_models.compare(settings(), url, parse_date(date) if date else default_date(settings()))
    emit({"marts": len(differing), "differing_rows": {name: rows for name, rows in differing.items() if rows}}, as_json)
    if any(differing.values()):
        raise CairnError(f"rows differ in {', '.join(name for name, rows in differing.items() if rows)}")
