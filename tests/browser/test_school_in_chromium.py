"""The school's pages in Chromium: whole lines, three screens, counts to their rows, ten stops, a sheet a class."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser import chromium
from tests.browser.test_pages_in_chromium import open_page

pytestmark = pytest.mark.browser

SCHOOL = "/schools/school-a"
NARROW = {"width": 320, "height": 640}
STOPS = 10
# Lines that do not fit into their box, and are cut.
CUT = """() => [...document.querySelectorAll(".answer li, .answer h2, .row li, .counts li, .classes li")].filter(one =>
  (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 2)
  && getComputedStyle(one).overflow !== "visible").length"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("viewport", [chromium.PHONE, NARROW])
def test_a_phone_shows_whole_lines_on_three_screens(
    browser: Any, portal: Any, signed_in: Any, viewport: dict[str, int]
) -> None:
    page, _ = open_page(browser, portal, signed_in, "leader", SCHOOL, viewport=viewport)
    assert page.evaluate(CUT) == 0
    assert page.evaluate(WIDER) <= 0
    if viewport is chromium.PHONE:
        assert page.evaluate("document.documentElement.scrollHeight") <= 3 * viewport["height"]
    for name in ("needs-adult", "groups", "pace", "by-class"):
        page.goto(f"{portal['base']}{SCHOOL}/{name}")
        assert (name, page.evaluate(CUT), page.evaluate(WIDER) <= 0) == (name, 0, True)
    page.context.close()


def test_each_count_that_is_clicked_opens_to_exactly_its_rows(browser: Any, portal: Any, signed_in: Any) -> None:
    page, _ = open_page(browser, portal, signed_in, "leader", SCHOOL, viewport=chromium.PHONE)
    many = page.locator("a.count").count()
    assert many > 10
    for place in range(many):
        count = page.locator("a.count").nth(place)
        found = re.match(r"[\d,]+", count.inner_text())
        assert found is not None
        count.click()
        rows = page.locator(".row").count()
        while page.locator("a[rel=next]").count():
            page.locator("a[rel=next]").click()
            rows += page.locator(".row").count()
        assert (page.url, rows) == (page.url, int(found[0].replace(",", "")))
        page.goto(portal["base"] + SCHOOL)
    page.context.close()


def test_the_keyboard_reaches_each_answer_in_ten_stops(browser: Any, portal: Any, signed_in: Any) -> None:
    stops = {}
    page, _ = open_page(browser, portal, signed_in, "leader", SCHOOL)
    for stop in range(1, STOPS + 1):
        page.keyboard.press("Tab")
        if stop == 1:
            page.keyboard.press("Enter")  # past the header
        target = page.evaluate("document.activeElement.getAttribute('href') || ''")
        if re.fullmatch("#q[1-5]", target):
            stops[target] = stop
    assert set(stops) == {f"#q{number}" for number in range(1, 6)}
    page.locator("nav.jump a").nth(3).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert "/changes" in page.evaluate("document.activeElement.getAttribute('href')"), "the jump went to the answer"
    page.context.close()


@pytest.mark.parametrize("path", [SCHOOL, f"{SCHOOL}/needs-adult", f"{SCHOOL}/groups", f"{SCHOOL}/by-class"])
def test_axe_finds_nothing_of_any_impact(browser: Any, portal: Any, signed_in: Any, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, complaints = open_page(browser, portal, signed_in, "leader", path, viewport=chromium.PHONE)
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found] == []
    assert complaints == []
    page.context.close()


def test_a_class_prints_on_one_sheet(browser: Any, portal: Any, signed_in: Any) -> None:
    page, _ = open_page(browser, portal, signed_in, "leader", f"{SCHOOL}/by-class")
    page.emulate_media(media="print")
    sheets = page.locator(".sheet").count()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="Letter"))) == sheets == 2
    page.context.close()
