"""A part of a page that is kept for all readers is drawn anew for whatever it tells of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from markupsafe import Markup

from answers.published_numbers import Numbers
from cairn.protection.published import PublishedCell, PublishedTable
from portal.kept_parts import KeptParts
from tests.portal.conftest import Pages


def table() -> PublishedTable:
    return PublishedTable("competency", ("competency_id",), ("pupils",), {})


def test_another_table_or_key_is_another_part() -> None:
    kept, first, second = KeptParts(most=2), table(), table()
    made: Iterator[Markup] = (Markup(number) for number in range(9))

    def get(key: str, published: PublishedTable) -> str:
        return str(kept.get((key,), published, lambda: next(made)))

    assert [get("a", first), get("a", first), get("a", second), get("a", first)] == ["0", "0", "1", "0"]
    assert [get("b", first), get("a", second)] == ["2", "3"], "the one asked longest ago went"


def test_the_overview_tells_of_the_publication_and_in_the_language_that_is_asked(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pages.client("central")
    english = client.get("/").text
    assert 'aria-label="Table: Competencies in the district"' in english
    spanish = client.get("/", headers={"accept-language": "es"}).text
    assert 'aria-label="Table: Competencies in the district"' not in spanish
    assert client.get("/").text.count("Table: Competencies") == 1
    other = PublishedTable(
        "competency", ("competency_id",), ("pupils",), {("comp-1",): {"pupils": PublishedCell("4,320")}}
    )
    whole = Numbers.table
    monkeypatch.setattr(Numbers, "table", lambda self, name: other if name == "competency" else whole(self, name))
    assert "4,320" in client.get("/").text and "4,320" not in english
    before = client.get("/?as-of=2026-10-13")
    assert before.status_code == 200
