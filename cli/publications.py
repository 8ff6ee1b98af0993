"""``cairn publications``: the protected tables, on which days they changed, and what an attacker would get of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit

app = typer.Typer(help="Protected tables: published on fixed days, audited, blocked.", no_args_is_help=True)

KindOption = Annotated[str | None, typer.Option("--kind", help="learning or evaluation; both where not given.")]


@app.callback()
def group() -> None:
    """Protected tables: published on fixed days, audited, blocked."""


@app.command("list")
def list_publications(as_json: JsonOption = False) -> None:
    """The ledger, newest first: day, release, cells, which were left out, which were blocked and why.

    Example: cairn publications list
    """
    from cairn.settings import settings
    from releases import publications, store

    rows = publications.ledger(settings())
    stand = {one.publication_id for kind in store.KINDS if (one := publications.standing(settings(), kind))}
    rows = [row | {"stands": not row["is_blocked"] and row["publication_id"] in stand} for row in rows]

    def lines(result: dict[str, Any]) -> str:
        return "\n".join(
            f"{'*' if row['stands'] else ' '} {row['publication_id']:<34}{row['release_id']:<28}{row['cells']:>6}"
            f" cells, {row['cells_suppressed']} left out{'  BLOCKED: ' + row['reason'] if row['is_blocked'] else ''}"
            for row in result["publications"]
        )

    emit({"publications": rows}, as_json, lines)


@app.command()
def check(kind: KindOption = None, as_json: JsonOption = False) -> None:
    """Audit what the current releases would publish, day or not; nothing is written. Exit status 1 where it is blocked.

    Example: cairn publications check --kind learning
    """
    _run("check", kind, as_json)


@app.command()
def make(kind: KindOption = None, as_json: JsonOption = False) -> None:
    """Publish the numbers of the current releases, where their day is one on which numbers may change.

    Exit status 1 where the audit blocks them; the publication before then stands.

    Example: cairn publications make
    """
    _run("make", kind, as_json)


def _run(verb: str, kind: str | None, as_json: bool) -> None:
    from cairn.settings import settings
    from releases import publications, store

    kinds = [kind] if kind else [one for one in store.KINDS if store.current(settings(), one)]
    outcomes = [getattr(publications, verb)(settings(), one) for one in kinds or ["learning"]]
    rows = [
        {
            "kind": one.kind,
            "state": one.state,
            "publication_id": one.publication_id,
            "publication_date": one.publication_date.isoformat(),
            "next_date": one.next_date.isoformat(),
            "release_id": one.release_id,
            "cells": one.cells,
            "cells_coded": one.hidden,
            "cells_suppressed": one.suppressed,
            "failed_cells": [
                {"cell": str(failure.cell), "attack": failure.attack, "why": failure.why} for failure in one.failures
            ],
        }
        for one in outcomes
    ]

    def lines(result: dict[str, Any]) -> str:
        said = []
        for row, outcome in zip(result["publications"], outcomes, strict=True):
            would = "would pass; " if verb == "check" and not outcome.failures else ""
            told = publications.told(outcome) if verb == "make" else f"next numbers from {outcome.next_date}"
            blocked = f"BLOCKED: {len(outcome.failures)} cells; " if outcome.failures else ""
            cells = f"{row['cells']} cells, {row['cells_suppressed']} left out beside the rules"
            said.append(f"{row['kind']}: {blocked}{would}{told} ({row['release_id']}, {cells})")
            said += [f"  {one['cell']}: {one['why']}" for one in row["failed_cells"]]
        return "\n".join(said)

    emit({"publications": rows}, as_json, lines)
    if any(one.state == publications.BLOCKED or one.failures for one in outcomes):
        raise typer.Exit(1)
