"""Operations: what runs, do the books balance, how far behind, what the gates said, what was published."""

from __future__ import annotations

import mimetypes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from portal import operations_reads as reads
from portal.accounts import Account
from portal.web import guarded, portal_of, render

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
        "ledger": ledger,
        "ledger_from": ledger_from,
        "lag": reads.intake_lag(settings),
        "gates": reads.gate_results(settings),
        "releases": reads.releases(settings),
        "nights": reads.nights(settings),
        "reports": {name: reads.report_index(settings, folder) is not None for name, folder in REPORTS.items()},
    }
    return render(request, "operations.html", context, pinned=pinned)


@guarded(*READERS)
def report_file(request: Request, account: Account) -> Response:
    """A file of Data Docs or dbt docs; nothing outside their folder."""
    settings = portal_of(request).settings
    name, wanted = request.path_params["report"], request.path_params.get("path", "")
    if name not in REPORTS:
        raise HTTPException(404, "There is no such report.")
    if not wanted:
        index = reads.report_index(settings, REPORTS[name])
        if index is None:
            raise HTTPException(404, "This report has not been written yet. A night writes it.")
        return RedirectResponse(f"/operations/{name}/{index}", status_code=303)
    root = (settings.reports_dir / REPORTS[name]).resolve()
    path = (root / wanted).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise HTTPException(404, "The report has no such file.")
    return FileResponse(path, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream")
