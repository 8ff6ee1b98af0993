"""The attacker gets nothing out of the central office's pages as they are; and sees enough of them to be one."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from portal import kept_pages, pages_overview, pages_pilots
from portal.pdf import scorecard_pdf
from tests.attack.csv_cells import TABLES
from tests.attack.derive import Read, cells_of, pages_of, report
from tests.attack.page_cells import Reader, cells
from tests.attack.pdf_text import html_of
from tests.portal.conftest import Pages
from tests.portal.fixture_release import NOT_PUBLISHED

PDF = "/pilots/pilot-fractions.pdf"


@pytest.fixture(scope="module")
def read(pages: Pages) -> Read:
    """What reads an address as the central office."""
    client = pages.client("central")
    return lambda path: client.get(path).content


@pytest.fixture(scope="module")
def seen(read: Read) -> dict[str, str]:
    """Every page and PDF of the central office, by address."""
    return pages_of(read)


def test_nothing_under_ten_follows_from_all_pages_together(seen: dict[str, str], read: Read) -> None:
    found = [cell for path, html in seen.items() for cell in cells(path, html)]
    counted = Counter(cell.page if cell.page.count("/") == 1 else cell.page.rsplit("/", 1)[0] for cell in found)
    least = {"/": 20, "/rollout": 15, "/pilots": 20, "/schools": 9}
    assert {page: counted[page] >= cells_there for page, cells_there in least.items()} == dict.fromkeys(least, True)
    assert all(cell.rounded_to == 10 for cell in found if not cell.page.endswith(".pdf")), (
        "each page says how it rounds"
    )
    assert {one.page for one in found if one.page.endswith(".pdf")} == {path for path in seen if path.endswith(".pdf")}
    files = {cell.page.partition("?")[0] for cell in cells_of(read) if cell.page.startswith("/published/")}
    assert files == {f"/published/{name}.csv" for name in TABLES}, "and the files beside the tables"
    done = report(read)
    assert done.days == ["2026-10-14"], "as it was published, too"
    assert not done.derived and not done.narrowed, [str(one) for one in done.derived]


def test_a_planted_number_of_few_is_found_wherever_it_stands(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canaries: what a page, a PDF alone and a mail would give away, had they not been protected."""
    whole = scorecard_pdf

    def careless(card: dict[str, Any], *others: Any) -> bytes:
        return whole(card | {"for_whom": card["for_whom"] | {"notes": ["3 pupils joined after the start."]}}, *others)

    with monkeypatch.context() as patch:
        patch.setattr(pages_pilots, "scorecard_pdf", careless)
        assert {one.value for one in report(read).derived} == {3}
    with monkeypatch.context() as patch:
        patch.setattr(kept_pages, "KEPT", kept_pages.KeptPages())  # drawn before with care
        patch.setattr(pages_overview, "text", lambda row, metric: "4" if metric == "need_adult" else "–")
        found = report(read).derived
        assert {(one.metric, one.value) for one in found} == {("need an adult", 4)} and len(found) == 3
    mail = b"Subject: Aspen Grove Elementary: 4 pupils need an adult (Wed 14 Oct)\r\n\r\n4 pupils need an adult.\r\n"
    assert {(one.name, one.value) for one in report(read, [mail]).derived} >= {("Aspen Grove Elementary", 4)}


def test_a_board_pdf_is_read_as_its_page_is(read: Read) -> None:
    """The reader of PDFs finds the words of the page in it: it is no proof to find nothing where nothing is read."""
    page, pdf = Reader(read(PDF.removesuffix(".pdf")).decode()), Reader(html_of(read(PDF)))
    assert pdf.title == page.title
    figures = {(term, text) for _, term, text in page.figures}
    assert {(term, text) for _, term, text in pdf.figures} & figures >= set(happened_and_cost(page))
    with pytest.raises(ValueError, match="not tagged"):
        html_of(b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj")


def happened_and_cost(page: Reader) -> list[tuple[str, str]]:
    """The figures of whether a pilot happened and what it cost."""
    return [(term, text) for heading, term, text in page.figures if heading in ("Did it happen", "What it cost")]


def test_percentages_come_from_the_published_tables_and_not_from_the_mart(seen: dict[str, str], pages: Pages) -> None:
    """``mart_district_competency`` has whole percentages, protected one at a time: pages and PDFs do not read them."""
    leader, engineer = pages.client("leader-a"), pages.client("engineer")
    others = [leader.get("/schools/school-a").text, *(engineer.get(path).text for path in ("/operations", "/rollout"))]
    assert not any(NOT_PUBLISHED in html for html in (*seen.values(), *others))
    learning = pages.settings.releases_dir / "publications" / "learning"
    assert not any(NOT_PUBLISHED in path.read_text(encoding="utf-8") for path in learning.glob("*.json"))


def test_pairs_are_no_competencies_and_no_share_is_over_a_hundred(seen: dict[str, str], pages: Pages) -> None:
    """The district of the fixture has four competencies; a pupil's pairs are hundreds."""
    leader = pages.client("leader-a").get("/schools/school-a").text
    for path, html in (seen | {"/schools/school-a, its leader": leader}).items():
        text = re.sub(r"<[^>]+>", " ", html)
        assert all(int(one) <= 4 for one in re.findall(r"(\d+) competenc", text)), path
        assert all(int(one) <= 100 for one in re.findall(r"(\d+) ?%", text)), path
