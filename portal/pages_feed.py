"""The files of a school's feed for its leader: their page, and each of them."""

from __future__ import annotations

from pathlib import Path

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from answers import feed_access, feed_folders
from answers.accounts import Account
from answers.feed_access import Receipt
from cairn.language import gettext
from cairn.settings import Settings
from identity.disclosure_log import Disclosure, write_down
from portal.pages_school import load, require_school
from portal.web import guarded, portal_of, render

# Beside the files of the manifest: what they are checked with.
BESIDE = (feed_folders.MANIFEST, feed_folders.SIGNATURE, feed_folders.PUBLIC_KEY)
TELL_ALL = ("standing", "since_last_feed")
RECEIPTS_SHOWN = 5


@guarded("school_leader")
def feed_page(request: Request, account: Account) -> Response:
    """The files of the school's newest feed, with their counts and sums; who fetched it last."""
    portal = portal_of(request)
    school_id = request.path_params["school_id"]
    require_school(account, school_id)
    pinned = portal.reader.pin()
    view = load(pinned, school_id)
    manifest = feed_folders.latest(portal.settings, school_id)
    files = manifest["files"] if manifest else []
    by_class: dict[str, list[dict[str, object]]] = {}
    for file in files:
        if "class_id" in file:
            by_class.setdefault(file["class_id"], []).append(file)
    context = {
        "title": gettext("Files for {name}").format(name=view.school["school_name"]),
        "school": view.school,
        "manifest": manifest,
        "files": [file for file in files if "class_id" not in file],
        "by_class": by_class,
        "class_titles": {row["class_id"]: row["class_title"] for row in view.classes},
        "has_key": bool(feed_access.keys_of(portal.settings, school_id)),
        "receipts": feed_access.list_receipts(portal.settings, school_id)[: -RECEIPTS_SHOWN - 1 : -1],
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
    if manifest is None or (name not in listed and name not in BESIDE):
        raise HTTPException(404, "The newest feed has no such file.")
    folder = feed_folders.folder(settings, manifest["data_date"], school_id)
    if not (folder / name).exists():
        raise HTTPException(404, "The newest feed has no such file.")
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
    receipt = Receipt(
        school_id=school_id,
        release_id=manifest["release_id"],
        data_date=manifest["data_date"],
        feed_id=feed_folders.feed_id(folder),
        way="portal",
        who=f"account {account.name}",
        file=name,
        outcome="fetched",
        bytes=(folder / name).stat().st_size,
    )
    saved_as = f"{manifest['data_date']}-{school_id}-{name.replace('/', '-')}"
    after = BackgroundTask(_fetched, settings, receipt, folder)
    return FileResponse(folder / name, filename=saved_as, background=after)


def _fetched(settings: Settings, receipt: Receipt, folder: Path) -> None:
    """Who took which file. Who has where everybody stands, or what changed, is told next time what changed since."""
    feed_access.write_receipt(settings, receipt)
    if receipt.file.partition(".")[0] in TELL_ALL:
        feed_folders.remember_sent(settings, folder, receipt.school_id)
