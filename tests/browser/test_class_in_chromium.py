"""A class of thirty-two in a real Chromium: one page of paper, axe without any finding, narrow screens, keyboard."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest

from answers.accounts import add_account
from cairn.settings import Settings
from releases import store
from tests.browser import chromium
from tests.browser.conftest import PASSWORD
from tests.browser.test_pages_in_chromium import open_page
from tests.portal.fixture_release import SCHOOLS

pytestmark = pytest.mark.browser

CLASS = "school-a-class-1"
PAGE = f"/schools/school-a/classes/{CLASS}"
LONG = "Solve word problems with multiplication and division of fractions and mixed numbers, and check the answer"
# All pupils of the school in one class, with as much on every list as can be: the print is to hold it on one page.
CROWDED = [
    *(
        f"update {table} set class_id = '{CLASS}', class_title = 'Grade 4, room 1' where school_id = 'school-a'"
        for table in ("mart_student_competency", "mart_needs_adult", "mart_review_due", "mart_moves_on")
    ),
    f"insert into mart_moves_on select m.* replace ('comp-' || n as competency_id) from mart_moves_on m,"
    f" range(10, 14) t(n)"
    f" where class_id = '{CLASS}'",
    f"insert into mart_review_due select m.* replace ('comp-' || n as competency_id, 'R.' || n as competency_code)"
    f" from mart_review_due m, range(10, 20) t(n) where class_id = '{CLASS}'",
    "delete from mart_group_member where school_id = 'school-a'",
    f"insert into mart_group_member select school_id, 'g-' || ((place - 1) // 6), student_key, class_id, class_title,"
    f" 'comp-2', '4.NF.2', 'x', true, false, false, null, true, 0.4, date '2026-10-07', date '2026-10-07' from (select"
    f" distinct school_id, student_key, class_id, class_title, dense_rank() over (order by student_key) as place"
    f" from mart_student_competency where class_id = '{CLASS}') where place <= 18",
    *(
        f"update {table} set competency_title = '{LONG}'"
        for table in ("mart_student_competency", "mart_needs_adult", "mart_review_due", "mart_moves_on")
    ),
    f"update mart_group_member set competency_title = '{LONG}'",
    f"update mart_moves_on set next_competency_title = '{LONG}'",
    "update mart_needs_adult set is_first = true",
    f"insert into mart_competency_resource select distinct p.competency_id, place, '{LONG}', 'https://example.org/' ||"
    f" place, 'lesson', 15 from mart_student_competency p, range(1, 4) t(place)",
]


@pytest.fixture(scope="module")
def home(home: tuple[Settings, dict[str, str]]) -> tuple[Settings, dict[str, str]]:
    """The home with the crowded class, and its teacher's account."""
    settings, people = home
    release = store.current(settings, "learning")
    assert release is not None and "school-a" in SCHOOLS
    release.path.chmod(0o600)
    with duckdb.connect(str(release.path)) as connection:
        connection.execute("set timezone = 'UTC'")
        for statement in CROWDED:
            connection.execute(statement)
    add_account(settings, "teacher", "teacher", None, PASSWORD, teacher_key=people["teacher-0-0"])
    return home


@pytest.fixture
def opened(browser: Any, portal: dict[str, Any], signed_in: Any) -> Any:
    """``opened(path, **context options)``: the teacher's page, closed after the test."""
    contexts: list[Any] = []

    def found(path: str, **options: Any) -> Any:
        page, complaints = open_page(browser, portal, signed_in, "teacher", path, **options)
        contexts.append(page.context)
        assert complaints == []
        return page

    yield found
    for context in contexts:
        context.close()


def pages_of(pdf: bytes) -> int:
    """Pages of a PDF as Chromium writes it."""
    return len(re.findall(rb"/Type\s*/Page[^s]", pdf))


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_full_class_prints_on_one_page(opened: Any, paper: str) -> None:
    page = opened(f"{PAGE}/print")
    assert "more, on the class’s page" in page.inner_text("main")
    assert page.locator(".sheet section").count() == 5
    assert page.locator(".sheet section").first.locator("li").count() == 3, "three groups of six"
    assert pages_of(page.pdf(format=paper)) == 1
    # Nothing is cut off at the sheet's edge: at the paper's width, all of the five lists lie within it.
    width, height = {"A4": (673, 1002), "Letter": (695, 935)}[paper]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(media="print")
    sheet = page.evaluate("(one => [one.scrollWidth - one.clientWidth])(document.querySelector('.sheet'))")
    assert sheet == [0]


@pytest.mark.parametrize("path", ["/classes", PAGE, f"{PAGE}?show=all", f"{PAGE}/print", "/students/{pupil}?on=comp-1"])
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_no_axe_finding_of_any_impact_and_no_sideways_scroll(opened: Any, path: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(path, viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    found = [
        (one["id"], [node["target"] for node in one["nodes"]][:3]) for one in Axe().run(page).response["violations"]
    ]
    assert found == []


def test_a_phone_shows_the_grid_without_script(opened: Any) -> None:
    page = opened(PAGE, viewport=chromium.PHONE, java_script_enabled=False)
    grid = page.locator("table.grid")
    first = grid.locator("tbody tr").first
    assert grid.locator("tbody tr").count() == 32 and first.locator("a.cell").count() == 4
    box = page.locator("#grid .scroll").bounding_box()
    assert grid.bounding_box()["width"] <= box["width"] + 1, "the columns of a phone fit beside the names"
    first.locator("a.cell").first.click()
    assert page.locator("tr.chosen:target").count() == 1, "a cell opens its evidence"


def test_the_keyboard_is_at_the_grid_in_ten_stops(opened: Any) -> None:
    page = opened(PAGE)
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "#grid":
            page.keyboard.press("Enter")
        if page.evaluate("document.activeElement.closest('#grid') !== null"):
            break
    assert page.evaluate("document.activeElement.closest('#grid') !== null")


def test_done_and_undo_without_script(opened: Any) -> None:
    page = opened(PAGE, java_script_enabled=False)
    page.locator("text=Done with the group").first.click()
    assert page.url.endswith("#groups") and page.locator("text=logged for all 6 today").count() == 1
    page.locator("#groups button:has-text('Undo')").click()
    assert page.locator("text=logged for all 6 today").count() == 0
