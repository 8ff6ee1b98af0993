"""``cairn account``: who may open the portal, as what."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.settings import settings
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Portal accounts.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with; a mail address will do.")],
    role: Annotated[str, typer.Option(help="school_leader, teacher, central_office or engineer.")],
    school: Annotated[str | None, typer.Option(help="School of a school leader.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Who a teacher is: her key, or an identifier of the roster (sourcedId, mail).")
    ] = None,
    password: Annotated[str | None, typer.Option(help="Password; generated and shown once where absent.")] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password.")] = False,
    mail: Annotated[str | None, typer.Option(help="Where the school's feed mail goes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account; a generated password is shown once and kept hashed only.

    A teacher opens the classes that the roster gives her. Her identifier is looked up in the vault and not kept.

    Example: cairn account add rivera --role school_leader --school org-school-01
    """
    from answers.accounts import add_account
    from identity.vault import Vault
    from loading import one_student

    if ask:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    teacher_key = one_student(Vault(settings()), teacher) if teacher is not None else None
    shown = add_account(settings(), name, role, school_id=school, password=password, mail=mail, teacher_key=teacher_key)
    result = {"name": name, "role": role, "school_id": school, "teacher_key": teacher_key}
    if password is None:
        result["password"] = shown
        say("The password is shown this once.")
    emit(result, as_json)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """The accounts, without their passwords; the id is what the portal's log names them by.

    Example: cairn account list
    """
    from answers.accounts import list_accounts

    rows = [
        {
            "account_id": one.account_id,
            "name": one.name,
            "role": one.role,
            "school_id": one.school_id,
            "mail": one.mail,
            "teacher_key": one.teacher_key,
        }
        for one in list_accounts(settings())
    ]
    lines = [
        f"{row['account_id']}  {row['name']:<30} {row['role']:<15} {row['school_id'] or row['teacher_key'] or ''}"
        for row in rows
    ]
    emit({"accounts": rows}, as_json, lambda _: "\n".join(lines) or "none")


@app.command()
def password(
    name: Annotated[str, typer.Argument(help="The account.")],
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password; generated where absent.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give an account another password; its sessions end and the browsers it is known from are forgotten.

    Example: cairn account password rivera
    """
    from answers.accounts import set_password

    given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True) if ask else None
    shown = set_password(settings(), name, given)
    result = {"changed": name}
    if not ask:
        result["password"] = shown
        say("The password is shown this once.")
    emit(result, as_json)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The account.")], as_json: JsonOption = False) -> None:
    """Remove an account; its open sessions end with it.

    Example: cairn account remove rivera
    """
    from answers.accounts import remove_account

    remove_account(settings(), name)
    emit({"removed": name}, as_json)
