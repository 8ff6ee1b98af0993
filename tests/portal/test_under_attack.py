"""The attacker gets nothing out of the central office's pages as they are; and sees enough of them to be one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.attack.derive import apart, derived, pages_of, read_book
from tests.attack.page_cells import cells
from tests.portal.conftest import Pages


@pytest.fixture(scope="module")
def seen(pages: Pages) -> Iterator[dict[str, str]]:
    """Every page of the central office, by address."""
    client = pages.client("central")
    yield pages_of(lambda path: client.get(path).text)


def test_nothing_under_ten_follows_from_all_pages_together(seen: dict[str, str]) -> None:
    found = [cell for path, html in seen.items() for cell in cells(path, html)]
    counted = Counter(cell.page if cell.page.count("/") == 1 else cell.page.rsplit("/", 1)[0] for cell in found)
    least = {"/": 20, "/rollout": 15, "/pilots": 20, "/schools": 9}
    assert {page: counted[page] >= cells_there for page, cells_there in least.items()} == dict.fromkeys(least, True)
    assert all(cell.rounded_to == 10 for cell in found), "each page says how it rounds"
    book = read_book(found)
    assert not derived(book) + apart(book)


def test_pairs_are_no_competencies_and_no_share_is_over_a_hundred(seen: dict[str, str], pages: Pages) -> None:
    """The district of the fixture has four competencies; a pupil's pairs are hundreds."""
    leader = pages.client("leader-a").get("/schools/school-a").text
    for path, html in (seen | {"/schools/school-a, its leader": leader}).items():
        text = re.sub(r"<[^>]+>", " ", html)
        assert all(int(one) <= 4 for one in re.findall(r"(\d+) competenc", text)), path
        assert all(int(one) <= 100 for one in re.findall(r"(\d+) ?%", text)), path
