"""``cairn marts``: build, publish and compare releases."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import marts_postgres
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Build, publish and compare releases.", no_args_is_help=True)
app.add_typer(marts_postgres.app, name="postgres")

DateOption = Annotated[
    str | None, typer.Option("--date", help="Data date, YYYY-MM-DD; yesterday in the district's zone if not given.")
]


@app.callback()
def group() -> None:
    """Build, publish and compare releases."""


def _date(text: str | None) -> Any:
    from cairn.settings import settings
    from cli.night import parse_date
    from night.status import default_date

    return parse_date(text) if text else default_date(settings())


def _described(release: Any, gates: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "release_id": release.release_id,
        "tables": release.tables,
        "gates": gates,
        "published": release.published_at is not None,
    }


@app.command()
def build(
    date: DateOption = None,
    unit_tests: Annotated[bool, typer.Option(help="Also run dbt's unit tests of the models.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the marts into a new file beside the current release and run dbt's tests; nothing is published.

    Example: cairn marts build --date 2026-10-14
    """
    from cairn.settings import settings
    from releases import learning

    say("dbt build ...")
    release = learning.build(settings(), _date(date), unit_tests=unit_tests)
    emit(_described(release, []), as_json)


@app.command()
def publish(
    date: DateOption = None,
    kind: Annotated[
        str, typer.Option(help="learning: audit and publish the day's build; evaluation: pilots.")
    ] = "learning",
    force: Annotated[bool, typer.Option(help="Evaluate again although nothing has changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Audit the day's build and make it current; or evaluate the pilots on the current release and publish that.

    Example: cairn marts publish --kind evaluation
    """
    from cairn.errors import CairnError, UsageError
    from cairn.settings import settings
    from releases import evaluation, learning, publications

    def published(release: Any, gates: list[dict[str, Any]]) -> None:
        # Numbers for those who may not see few pupils follow on their own days; they hold up no release.
        publication = publications.after_release(settings(), kind)
        emit(_described(release, gates) | {"publication": publication}, as_json)

    if kind == "evaluation":
        published(evaluation.build_and_publish(settings(), force=force), [])
        return
    if kind != "learning":
        raise UsageError(f"unknown kind {kind!r}: learning or evaluation")
    release = learning.find_draft(settings(), _date(date))
    outcome = learning.audit(settings(), release)
    gates = [
        {key: row[key] for key in ("gate", "rule_id", "scope_id", "severity", "is_passed", "rows_failed", "message")}
        for row in outcome.results
    ]
    if outcome.is_structural_failure:
        raise CairnError(f"{release.release_id} is not published: {outcome.structural_failures()}")
    published(learning.publish(settings(), release), gates)


@app.command()
def releases(as_json: JsonOption = False) -> None:
    """Releases that are kept, newest first, and which are current.

    Example: cairn marts releases
    """
    from cairn.settings import settings
    from releases import store

    current = {one.release_id for kind in store.KINDS if (one := store.current(settings(), kind))}
    rows = [
        {
            "release_id": release.release_id,
            "kind": release.kind,
            "data_date": release.data_date.isoformat(),
            "published_at": release.published_at.isoformat() if release.published_at else None,
            "is_current": release.release_id in current,
            "based_on": release.based_on,
            "held": [one["school_id"] for one in release.held],
        }
        for release in store.list_releases(settings())
    ]

    def lines(result: dict[str, Any]) -> str:
        return "\n".join(
            f"{'*' if row['is_current'] else ' '} {row['release_id']:<30}{row['published_at'] or ''}"
            f"{'  held: ' + ', '.join(row['held']) if row['held'] else ''}"
            for row in result["releases"]
        )

    emit({"releases": rows}, as_json, lines)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A release, such as learning-2026-10-13-1.")],
    after: Annotated[str, typer.Argument(help="The release to compare it with.")],
    as_json: JsonOption = False,
) -> None:
    """Why two releases differ: rows added, removed and changed by table, with keys as examples.

    Example: cairn marts diff learning-2026-10-13-1 learning-2026-10-14-1
    """
    from cairn.settings import settings
    from releases.difference import diff as compare
    from releases.difference_reasons import REASONS

    def lines(result: dict[str, Any]) -> str:
        said = []
        if result["reasons"]:
            said.append("why pupils' competencies differ (the first reason that holds)")
        for one in result["reasons"]:
            said.append(f"  {one['pairs']:>8}  {one['reason']}: {REASONS[one['reason']]}")
        for row in result["tables"]:
            said.append(
                f"{row['table']:<28}{row['before']:>8} -> {row['after']:<8}"
                f"+{row['added']} -{row['removed']} ~{row['changed']}"
            )
            for one in row["examples"]:
                key = ", ".join(f"{name} {value}" for name, value in one["key"].items())
                said.append(
                    f"    {one['what']}: {key}{' (' + ', '.join(one['columns']) + ')' if one['columns'] else ''}"
                )
        return "\n".join(said)

    emit(compare(settings(), before, after), as_json, lines)


@app.command()
def docs(as_json: JsonOption = False) -> None:
    """Write dbt's documentation of the marts to one page in home/reports/dbt_docs.

    Example: cairn marts docs
    """
    from cairn.settings import settings
    from releases.learning import write_docs

    emit({"path": str(write_docs(settings()))}, as_json)
