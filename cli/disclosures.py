"""``cairn disclosures``: who was shown whose names."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit

app = typer.Typer(help="Who was shown whose names.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Who was shown whose names."""


@app.command("list")
def list_(
    pupil: Annotated[
        str | None, typer.Option(help="Only those that name this pupil: key, or an identifier as in students show.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The log of disclosures, oldest first: who, as what, where, why and how many; the keys with --json.

    What waits on this machine is moved to the lake first. Names nobody, so it is no disclosure itself.

    Example: cairn disclosures list --pupil p_4f1d2c3b4a59687710293847
    """
    from cairn.settings import settings
    from identity.disclosure_log import list_disclosures, move_disclosures
    from identity.vault import STUDENT_KEY_PREFIX, Vault
    from loading import one_student

    key = pupil
    # A key is taken as it is: views of a pupil who has left the vault are still in the log.
    if pupil is not None and not pupil.startswith(STUDENT_KEY_PREFIX):
        key = one_student(Vault(settings()), pupil)
    move_disclosures(settings())
    emit({"disclosures": list_disclosures(settings(), key)}, as_json, _shown)


def _shown(result: dict[str, Any]) -> str:
    lines = [
        f"{row['disclosed_at']:%Y-%m-%d %H:%M:%S}  {row['actor']}  {row['role'] or '-'}  {row['kind']}  "
        f"{row['school_id'] or '-'}  {row['student_count']} named  {row['route'] or '-'}  {row['purpose']}"
        for row in result["disclosures"]
    ]
    return "\n".join(lines) or "none"
