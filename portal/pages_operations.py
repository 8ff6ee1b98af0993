"""Operations: what runs, do the books balance, how far behind, what the gates said, what was published."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from itsdangerous import BadSignature
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from answers.accounts import Account
from answers.wording import moment
from cairn.language import gettext
from cairn.settings import REPOSITORY, Settings
from night.state import NAMES
from portal import lineage
from portal import operations_reads as reads
from portal.doors import REPORT_FILES
from portal.operations_problems import old_release, problems
from portal.operations_snapshot import Snapshots
from portal.processes import beats
from portal.sessions import ABSOLUTE_SECONDS, account_by_hash
from portal.sign_in import token_hash
from portal.web import SESSION, guarded, portal_of, public, render

READERS = ("engineer", "central_office")
# Lines of the books that the page shows: those that are unexplained come first.
LEDGER_ROWS = 120
# Address below /operations and the folder below home/reports.
REPORTS = {"data-docs": "data_docs", "dbt-docs": "dbt_docs"}


@guarded(*READERS)
def operations_page(request: Request, account: Account) -> Response:
    """Everything an engineer looks at first: what is wrong and what to type, then all the rest; no pupil is in it.

    What stands in the lake is of the newest reading (``operations_snapshot``), with its time.
    """
    portal = portal_of(request)
    settings = portal.settings
    pinned = portal.reader.pin()
    snapshot = snapshots_of(request).latest()
    services, processes, alarms, nights = (
        reads.services(settings),
        beats(settings),
        reads.alarms(settings),
        reads.nights(settings),
    )
    age = portal.age(pinned.learning.data_date) if pinned.learning else None
    context = snapshot.parts | {
        "title": gettext("Operations"),
        "problems": problems(services, processes, alarms, nights, snapshot) + old_release(age),
        "snapshot": snapshot,
        "ledger_rows": LEDGER_ROWS,
        "at": _told(settings),
        "services": services,
        "processes": processes,
        "dags": sorted(path.stem for path in (REPOSITORY / "dags").glob("*.py")),
        "airflow": reads.address(settings, "airflow"),
        "alarms": alarms,
        "nights": nights,
        "steps": NAMES,
        "tables": lineage.names(settings),
        "logs": reads.logs(settings) if account.role == "engineer" else [],
        "reports": {name: reads.report_index(settings, folder) is not None for name, folder in REPORTS.items()},
    }
    return render(request, "operations.html", context, pinned=pinned)


def snapshots_of(request: Request) -> Snapshots:
    """The readings of this process."""
    found = request.app.state.snapshots
    assert isinstance(found, Snapshots)
    return found


def _told(settings: Settings) -> Callable[[datetime | None], str]:
    """How the page writes an instant: the district's time with its zone."""
    return lambda value: (
        "–" if value is None else f"{moment(value, settings.zone)} {value.astimezone(settings.zone):%Z}"
    )


@guarded(*READERS)
def table_page(request: Request, account: Account) -> Response:
    """A table of the lake or the warehouse: what it is made of and what is made of it. No row of it is shown."""
    portal = portal_of(request)
    found = lineage.lineage_of(portal.settings, request.path_params["name"])
    if found is None:
        raise HTTPException(404, "The newest build of the marts knows no such table.")
    pinned = portal.reader.pin()
    context = {"title": gettext("Table {name}").format(name=found.node.name), "found": found, "kinds": lineage.KINDS}
    return render(request, "operations_table.html", context, pinned=pinned)


@guarded("engineer")
def log_page(request: Request, account: Account) -> Response:
    """The last lines of a service's log."""
    portal = portal_of(request)
    service = request.path_params["service"]
    lines = reads.log_lines(portal.settings, service)
    if lines is None:
        raise HTTPException(404, "There is no such log.")
    context = {"title": gettext("Log of {service}").format(service=service), "service": service, "lines": lines}
    return render(request, "operations_log.html", context, pinned=portal.reader.pin())


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
