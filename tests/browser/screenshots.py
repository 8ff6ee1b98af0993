"""Pictures of every page of a running stack, in every view: ``python -m tests.browser.screenshots [FOLDER]``.

Uses the portal of the running stack (``--base`` for another) with four accounts made for the moment and removed
again, and writes ``build/screenshots/*.png`` with an ``index.html`` of them all; then the states in which a running
stack is not (empty, old, held back, refused, failed), over the tests' own releases (tests/browser/state_pictures.py).
Names on them are those of the district it runs on: use a simulated one.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from answers.school_lists import LISTS
from cairn.settings import REPOSITORY, Settings
from infra.browser import ADVICE, find_chromium
from tests.browser import chromium
from tests.browser.state_pictures import take_states

NARROW = {"width": 320, "height": 640}
# How a page is looked at: what the browser is told, and whether it is as printed.
VIEWS: dict[str, tuple[dict[str, Any], bool]] = {
    "desktop": ({"viewport": chromium.DESKTOP}, False),
    "dark": ({"viewport": chromium.DESKTOP, "color_scheme": "dark"}, False),
    "phone": ({"viewport": chromium.PHONE, "device_scale_factor": 2}, False),
    "phone-spanish": ({"viewport": chromium.PHONE, "locale": "es-US", "device_scale_factor": 2}, False),
    "narrow": ({"viewport": NARROW, "device_scale_factor": 2}, False),
    "print": ({"viewport": {"width": 816, "height": 1056}}, True),
}
ROLES = ("school_leader", "teacher", "central_office", "engineer")


def addresses(page: Any, base: str, role: str, school_id: str | None) -> list[tuple[str, str]]:
    """Pages of a role as (name, path), found by following what the pages show."""
    if role == "school_leader":
        page.goto(f"{base}/schools/{school_id}")
        pupils = page.eval_on_selector_all("a[href^='/students/']", "all => all.map(one => one.getAttribute('href'))")
        school = f"/schools/{school_id}"
        found = [("school", school), ("feed", f"{school}/feed"), ("refused", "/pilots"), ("missing", f"{school}/x")]
        found += [(f"list-{name}", f"{school}/{name}") for name in (*LISTS, "by-class")]
        return [*found, *([("student", pupils[0])] if pupils else [])]
    if role == "teacher":
        page.goto(f"{base}/classes")
        classes = page.eval_on_selector_all(".cards > li > a", "all => all.map(one => one.getAttribute('href'))")
        of_first = [("class", classes[0]), ("class-print", f"{classes[0]}/print")] if classes else []
        return [("classes", "/classes"), *of_first]
    if role == "engineer":
        page.goto(f"{base}/operations")
        linked = page.eval_on_selector_all("main a[href]", "all => all.map(one => one.getAttribute('href'))")
        kinds = (("operations-table", "/operations/tables/"), ("operations-log", "/operations/logs/"))
        first = [(name, [one for one in linked if one.startswith(start)][:1]) for name, start in kinds]
        return [("operations", "/operations"), *((name, one) for name, found in first for one in found)]
    page.goto(f"{base}/pilots")
    pilots = page.eval_on_selector_all("h2 a[href^='/pilots/']", "all => all.map(one => one.getAttribute('href'))")
    listed = [(f"pilot-{number}", path) for number, path in enumerate(pilots, start=1)]
    schools = [("school-totals", f"/schools/{school_id}")] if school_id else []
    page.goto(f"{base}/releases")
    differences = page.eval_on_selector_all("td a[href]", "all => all.map(one => one.getAttribute('href'))")
    more = [("rollout", "/rollout"), ("equity", "/equity"), ("releases", "/releases")]
    more += [("difference", differences[0])] if differences else []
    more += [("reason", f"/named/schools/{school_id}"), ("logout", "/logout")]
    return [("overview", "/"), ("pilots", "/pilots"), *listed, *more, *schools]


def take(base: str, out: Path, accounts: dict[str, tuple[str, str]], school_id: str | None) -> list[Path]:
    """Write the pictures; returns their paths. Raises SystemExit where there is no Chromium."""
    path = find_chromium()
    if path is None:
        raise SystemExit(f"error: no Chromium that starts on this machine: {ADVICE}")
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright, path)
        kept = {role: _signed_in(browser, base, *account) for role, account in accounts.items()}
        for view, (options, is_printed) in VIEWS.items():
            for role, state in (("anonymous", None), *kept.items()):
                context = browser.new_context(storage_state=state, **options)
                page = context.new_page()
                pages = addresses(page, base, role, school_id) if state else [("login", "/login")]
                page.emulate_media(media="print" if is_printed else "screen")
                for page_name, address in pages:
                    page.goto(base + address)
                    written.append(_picture(page, out / f"{page_name}-{view}.png"))
                    if page_name == "school" and view.startswith("phone"):
                        written.append(_picture(page, out / f"school-first-screen-{view}.png", whole=False))
                context.close()
        written += take_states(browser, out)
        browser.close()
    _index(out, written)
    return written


def _signed_in(browser: Any, base: str, name: str, password: str) -> Any:
    """The storage state of a session of the account."""
    context = browser.new_context()
    chromium.sign_in(context.new_page(), base, name, password)
    state = context.storage_state()
    context.close()
    return state


def _index(out: Path, written: list[Path]) -> None:
    """One page with all pictures, those of one page side by side."""
    by_page: dict[str, list[str]] = {}
    for path in written:
        view = next(view for view in sorted(VIEWS, key=len, reverse=True) if path.stem.endswith(f"-{view}"))
        by_page.setdefault(path.stem.removesuffix(f"-{view}"), []).append(path.name)
    parts = [
        f"<h2>{name}</h2><p>" + " ".join(f'<a href="{one}"><img src="{one}" alt="{one}"></a>' for one in files)
        for name, files in sorted(by_page.items())
    ]
    style = "img { height: 24rem; width: 16rem; object-fit: cover; object-position: top; border: 1px solid #999 }"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Screenshots</title><style>{style}</style>'
    (out / "index.html").write_text(head + "".join(parts))


def _picture(page: Any, path: Path, whole: bool = True) -> Path:
    page.screenshot(path=str(path), full_page=whole)
    return path


def school_of(settings: Settings) -> str | None:
    """A school to show: the one with most pupils who need an adult, not held back where there is one."""
    from answers.pinned_releases import Reader

    release = Reader(settings).current("learning")
    rows = (
        release.rows(
            "select s.school_id from mart_school s left join mart_needs_adult n using (school_id)"
            " group by s.school_id, s.is_held_back order by s.is_held_back, count(n.student_key) desc, 1 limit 1"
        )
        if release
        else []
    )
    return str(rows[0]["school_id"]) if rows else None


def teacher_of(settings: Settings, school_id: str) -> str | None:
    """The school's teacher who has most pupils, by key."""
    from answers.pinned_releases import Reader

    release = Reader(settings).current("learning")
    rows = (
        release.rows(
            "select teacher_key from mart_class_attention where school_id = ? and teacher_key is not null"
            " group by 1 order by sum(pupils) desc, 1 limit 1",
            [school_id],
        )
        if release
        else []
    )
    return str(rows[0]["teacher_key"]) if rows else None


def main() -> None:
    """Make accounts, take the pictures, remove the accounts."""
    from answers.accounts import add_account, remove_account

    parser = argparse.ArgumentParser(description="Take pictures of every page of the running portal.")
    parser.add_argument("--base", help="address of the portal; the running stack's where absent")
    parser.add_argument("out", type=Path, nargs="?", default=REPOSITORY / "build" / "screenshots")
    given = parser.parse_args()
    settings = Settings()
    try:
        base = (given.base or settings.address("portal")).rstrip("/")
    except LookupError as error:
        raise SystemExit(f"error: {error}") from error
    school_id = school_of(settings)
    accounts: dict[str, tuple[str, str]] = {}
    try:
        teacher_key = teacher_of(settings, school_id) if school_id else None
        owned = {"school_leader": school_id, "teacher": teacher_key}
        for role in (role for role in ROLES if owned.get(role, True)):
            name = f"screenshots-{role.replace('_', '-')}-{secrets.token_hex(3)}"
            school = school_id if role == "school_leader" else None
            teacher = teacher_key if role == "teacher" else None
            accounts[role] = (name, add_account(settings, name, role, school, teacher_key=teacher))
        for path in take(base, given.out, accounts, school_id):
            print(path)
    finally:
        for name, _ in accounts.values():
            remove_account(settings, name)


if __name__ == "__main__":
    main()
