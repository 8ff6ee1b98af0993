"""``cairn demo``: a simulated district through every stage, and the addresses to open."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(help="The whole path on this machine.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The demo stands alone."""


@app.command()
def demo(
    schools: Annotated[int, typer.Option(min=1, help="Schools to simulate; 24 fill both pilots.")] = 24,
    students: Annotated[int, typer.Option(min=10, help="Pupils to simulate.")] = 1500,
    days: Annotated[int, typer.Option(min=15, help="School days to simulate.")] = 60,
    seed: Annotated[int, typer.Option(help="Same seed, same district.")] = 7,
    pilots: Annotated[int, typer.Option(help="2, or 6: they need 82 schools and 30 days.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Start the stack, send a simulated district through two nights, and print the addresses to open.

    What is done stays done: run it again and it continues where it stopped, or just shows the addresses.
    'cairn down' stops the stack; removing CAIRN_HOME (default .cairn/) starts over.

    Example: cairn demo --schools 24 --students 1500
    With all six pilots: cairn demo --schools 82 --students 2460 --pilots 6
    """
    from datetime import datetime, timedelta

    from cairn.settings import settings
    from cli.demo_steps import Demo

    current = settings()
    # The district's yesterday: a page of today should not have to say that its data is old.
    yesterday = datetime.now(current.zone).date() - timedelta(days=1)
    result = Demo(
        current,
        schools=schools,
        students=students,
        days=days,
        seed=seed,
        report=say,
        last_date=yesterday,
        pilots=pilots,
    ).run()
    emit(result, as_json, _shown)


def _shown(result: dict[str, Any]) -> str:
    rows = ["", "Open these:"]
    rows += [f"  {name:<28} {address}" for name, address in result["addresses"].items()]
    rows += ["", "Sign in with:"]
    rows += [f"  {account['role']:<16} {account['name']:<22} {account['password']}" for account in result["accounts"]]
    books = result["ledger"]
    rows += [
        "",
        "The books: received {received} = accepted {accepted} + duplicate {duplicate} + conflict {conflict} + rejected"
        " {rejected} + quarantined {quarantined}; unexplained {unexplained}".format(**books),
        f"First page after {result['first_page_seconds']:.0f} s, all done after {result['seconds']:.0f} s.",
        "",
        "Next: cairn status | cairn intake ledger | cairn night status | cairn --help.  Stop with: make down",
    ]
    return "\n".join(rows)
