"""Operations: what runs, do the books balance, how far behind, what the gates said, what was published."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import quote

from itsdangerous import BadSignature
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from answers.accounts import Account
from portal import operations_reads as reads
from portal.doors import REPORT_FILES
from portal.sessions import ABSOLUTE_SECONDS, account_by_hash
from portal.sign_in import token_hash
from portal.web import SESSION, guarded, portal_of, public, render

READERS = ("engineer", "central_office")
# Address below /operations and the folder below home/reports.
REPORTS = {"data-docs": "data_docs", "dbt-docs": "dbt_docs"}


@guarded(*READERS)
def operations_page(request: Request, account: Account) -> Response:
    """Everything an engineer looks at first; no pupil is in it."""
    portal = portal_of(request)
    settings = portal.settings
    pinned = portal.reader.pin()
    ledger, ledger_from = reads.ledger(settings, pinned.learning)
    context = {
        "title": "Operations",
        "services": reads.services(settings),
        "airflow": reads.address(settings, "airflow"),
        "alarms": reads.alarms(settings),
        "ledger": ledger,
        "ledger_from": ledger_from,
        "broken_hops": reads.broken_hops(settings),
        "attribution": reads.attribution(pinned.learning),
        "lag": reads.intake_lag(settings),
        "gates": reads.gate_results(settings),
        "releases": reads.releases(settings),
        "nights": reads.nights(settings),
        "reports": {name: reads.report_index(settings, folder) is not None for name, folder in REPORTS.items()},
    }
    return render(request, "operations.html", context, pinned=pinned)


@guarded(*READERS)
def report(request: Request, account: Account) -> Response:
    """To a report's file, at an address that carries its own permission.

    A report is sandboxed (portal.doors): what it asks for comes without our cookie. So its address holds a ticket of
    the session, good for that session's reports and nothing else.
    """
    portal = portal_of(request)
    name, wanted = request.path_params["report"], request.path_params.get("path", "")
    if name not in REPORTS:
        raise HTTPException(404, "There is no such report.")
    found = wanted or reads.report_index(portal.settings, REPORTS[name])
    if found is None:
        raise HTTPException(404, "This report has not been written yet. A night writes it.")
    ticket = portal.report_tickets.sign(token_hash(request.session[SESSION])).decode()
    return RedirectResponse(f"{REPORT_FILES}{ticket}/{name}/{quote(found)}", status_code=303)


@public("by a ticket in the address, of a session whose role opens reports")
def report_file(request: Request) -> Response:
    """A file of Data Docs or dbt docs, for the holder of a ticket; nothing outside their folder."""
    portal = portal_of(request)
    name = request.path_params["report"]
    try:
        session_hash = portal.report_tickets.unsign(request.path_params["ticket"], max_age=ABSOLUTE_SECONDS).decode()
    except (BadSignature, UnicodeError) as error:
        raise HTTPException(403, "This address of a report is too old. Open the report from Operations.") from error
    account = account_by_hash(portal.settings, session_hash)
    if account is None or account.role not in READERS:
        raise HTTPException(403, "This address of a report is too old. Open the report from Operations.")
    if name not in REPORTS:
        raise HTTPException(404, "There is no such report.")
    path = _within(portal.settings.reports_dir / REPORTS[name], request.path_params["path"])
    if path is None:
        raise HTTPException(404, "The report has no such file.")
    return FileResponse(path, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def _within(folder: Path, wanted: str) -> Path | None:
    """The file ``wanted`` in the folder, or None where there is none: outside it, no file, or no possible name."""
    try:
        root = folder.resolve()
        path = (root / wanted).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):  # a name longer than file systems have, or with a NUL
        return None
