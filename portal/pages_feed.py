"""The files of a school's feed: their page, and each of them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from answers import feed_folders
from answers.accounts import Account
from identity.disclosure_log import Disclosure, write_down
from portal.pages_school import load, require_school
from portal.web import guarded, portal_of, render


@guarded("school_leader")
def feed_page(request: Request, account: Account) -> Response:
    """The files of the school's newest feed, with their counts and sums."""
    portal = portal_of(request)
    school_id = request.path_params["school_id"]
    require_school(account, school_id)
    pinned = portal.reader.pin()
    view = load(pinned, school_id)
    context = {
        "title": f"Files for {view.school['school_name']}",
        "school": view.school,
        "manifest": feed_folders.latest(portal.settings, school_id),
    }
    return render(request, "feed.html", context, pinned=pinned)


@guarded("school_leader")
def feed_file(request: Request, account: Account) -> Response:
    """One file of the newest feed; handing it out is logged like the page."""
    settings = portal_of(request).settings
    school_id, name = request.path_params["school_id"], request.path_params["name"]
    require_school(account, school_id)
    manifest = feed_folders.latest(settings, school_id)
    listed = {entry["name"]: entry for entry in manifest["files"]} if manifest else {}
    if manifest is None or (name not in listed and name != feed_folders.MANIFEST):
        raise HTTPException(404, "The newest feed has no such file.")
    folder = feed_folders.folder(settings, manifest["data_date"], school_id)
    if name in listed and listed[name]["pupils"]:
        write_down(
            settings,
            Disclosure(
                actor=account.name,
                role=account.role,
                purpose="feed file downloaded",
                route="/schools/{school_id}/feed/{name}",
                kind="feed",
                school_id=school_id,
                release_id=manifest["release_id"],
                student_keys=feed_folders.pupils_in(folder, name),
                student_count=listed[name]["pupils"],
            ),
        )
    return FileResponse(folder / name, filename=f"{manifest['data_date']}-{school_id}-{name}")
