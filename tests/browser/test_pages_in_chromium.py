"""Every page in a real Chromium: no console error, no finding of axe, 320 px, Spanish, no script, print, dark."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import chromium
from tests.portal.fixture_release import sourced

pytestmark = pytest.mark.browser

CLASS = "/schools/school-a/classes/school-a-class-1"
PAGES = [
    (None, "/login"),
    ("leader", "/schools/school-a"),
    ("leader", "/schools/school-a/feed"),
    ("leader", "/students/{pupil}"),
    ("leader", CLASS),
    ("central", "/"),
    ("central", "/pilots/pilot-fractions"),
    ("central", "/rollout"),
    ("engineer", "/operations"),
]
NARROW = {"width": 320, "height": 640}


def open_page(
    browser: Any, portal: Any, signed_in: Any, who: str | None, path: str, **options: Any
) -> tuple[Any, list[str]]:
    """A page in a context of its own, and what the console complained about."""
    context = browser.new_context(storage_state=signed_in(who) if who else None, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(portal["base"] + path.format(pupil=portal["people"][sourced(0, 0)]))
    return page, complaints


@pytest.mark.parametrize(
    ("who", "path", "size"),
    [*((*page, "desktop") for page in PAGES), *((*page, "phone") for page in PAGES)],
)
def test_no_console_error_no_finding_of_axe_and_nothing_wider_than_the_screen(
    browser: Any, portal: Any, signed_in: Any, who: str | None, path: str, size: str
) -> None:
    """On a phone in the dark and in Spanish, where the page has it; on a desk in English."""
    from axe_playwright_python.sync_playwright import Axe

    is_phone = size == "phone"
    page, complaints = open_page(
        browser,
        portal,
        signed_in,
        who,
        path,
        viewport=chromium.PHONE if is_phone else chromium.DESKTOP,
        color_scheme="dark" if is_phone else "light",
        locale="es-US" if is_phone else "en-US",
    )
    # A refused page answers 403, which Chromium notes as a failed resource: that one line is expected there.
    wrong = [text for text in complaints if not (path == "/schools/school-b" and "403" in text)]
    assert wrong == []
    findings = Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in findings] == []
    for viewport in (chromium.PHONE, NARROW) if is_phone else (chromium.DESKTOP,):
        page.set_viewport_size(viewport)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (viewport["width"], wider) == (viewport["width"], 0), "the page scrolls sideways"
    page.context.close()


@pytest.mark.parametrize("locale", ["en-US", "es-US"])
def test_the_first_screen_of_a_phone_holds_the_five_answers(
    browser: Any, portal: Any, signed_in: Any, locale: str
) -> None:
    viewport = chromium.PHONE
    page, _ = open_page(browser, portal, signed_in, "leader", "/schools/school-a", viewport=viewport, locale=locale)
    boxes = [one.bounding_box() for one in page.query_selector_all(".answer")]
    assert len(boxes) == 5
    assert all(box["y"] + box["height"] <= viewport["height"] for box in boxes)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"] for box in boxes)
    rows = [len(one.query_selector_all("li")) for one in page.query_selector_all(".answer")]
    assert rows == [3, 3, 3, 3, 2]  # the fixture's school has two classes
    page.context.close()


def test_pages_need_no_script(browser: Any, portal: Any) -> None:
    """Signing in, reading and recording a decision work with JavaScript off."""
    from tests.browser.conftest import PASSWORD

    context = browser.new_context(java_script_enabled=False, viewport=chromium.PHONE)
    page = context.new_page()
    chromium.sign_in(page, portal["base"], "central", PASSWORD)
    page.goto(portal["base"] + "/pilots/pilot-reading")
    page.select_option("#decision", "STOP")
    page.click("#decisions button[type=submit]")
    assert page.locator("#decisions tbody tr").count() == 1
    page.goto(portal["base"] + "/pilots/pilot-fractions")
    page.click("summary:text-is('Method')")
    assert page.locator("text=Smallest p this design can reach").is_visible()
    context.close()


def test_the_keyboard_reaches_the_content_first(browser: Any, portal: Any, signed_in: Any) -> None:
    page, _ = open_page(browser, portal, signed_in, "leader", "/schools/school-a")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.context.close()


@pytest.mark.parametrize(
    ("who", "path"), [("leader", "/schools/school-a"), ("central", "/pilots/pilot-fractions"), ("central", "/rollout")]
)
def test_pages_print(browser: Any, portal: Any, signed_in: Any, who: str, path: str) -> None:
    page, _ = open_page(browser, portal, signed_in, who, path)
    page.emulate_media(media="print")
    assert not page.locator("nav").first.is_visible() and page.locator("h1").is_visible()
    assert not page.locator("form.out").is_visible()
    assert page.pdf(format="Letter").startswith(b"%PDF")
    page.context.close()


def test_the_central_office_gives_a_reason_and_reads_names(browser: Any, portal: Any, signed_in: Any) -> None:
    """A form, then pages to read: nothing for axe to find, whatever its impact, and nothing that scrolls sideways."""
    from axe_playwright_python.sync_playwright import Axe

    path, narrow = "/named/schools/school-a", {"width": 320, "height": 640}
    page, complaints = open_page(
        browser, portal, signed_in, "central", path, viewport=narrow, color_scheme="dark", reduced_motion="reduce"
    )

    def assert_fine() -> None:
        assert [(one["id"], one["impact"]) for one in Axe().run(page).response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0

    assert_fine()
    page.select_option("#reason", "safety")
    page.fill("#note", "the school asked on the phone")
    page.keyboard.press("Enter")
    page.wait_for_selector("tbody")
    assert page.locator("tbody tr").count() == 32
    assert "the school asked on the phone" in page.inner_text("main")
    assert_fine()
    page.locator("tbody a").first.click()
    page.wait_for_selector("caption:has-text('Topics')")
    assert page.locator("main form").count() == 0
    assert_fine()
    assert complaints == []
    page.context.close()
