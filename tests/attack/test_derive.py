"""The attacker of ``derive.py`` finds what the first review found by hand, in pages as they were then."""

from __future__ import annotations

from tests.attack.derive import Book, derived, moved, read_book
from tests.attack.page_cells import bounds, cells, share_bounds

ROLLOUT = """<h1>Rollout</h1><h2>Reading Companion</h2>
<dl><div><dt>Pupils planned</dt><dd>187</dd></div><div><dt>Pupils reached</dt><dd>100</dd></div></dl>
<table><thead><tr><th>School</th><th>Pupils reached</th><th>of planned</th><th>Planned time met</th></tr></thead><tbody>
<tr><th>Oakmere</th><td>40</td><td>61</td><td>2 %</td></tr>
<tr><th>Larkmoor</th><td>30</td><td>63</td><td>95 %</td></tr>
<tr><th>Small Bay</th><td>–</td><td>63</td><td>–</td></tr>
</tbody></table>"""
PILOT = """<h1>Reading Companion</h1><table><thead><tr><th>School</th><th>Arm</th><th>Pupils</th></tr></thead><tbody>
<tr><th>Oakmere</th><td>Treatment</td><td>57</td></tr><tr><th>Larkmoor</th><td>Treatment</td><td>under 10</td></tr>
<tr><th>Elsewhere</th><td>Comparison</td><td>40</td></tr></tbody></table>"""


def _book(*pages: tuple[str, str]) -> Book:
    return read_book(cell for path, html in pages for cell in cells(path, html))


def test_what_the_review_derived_by_hand_is_found() -> None:
    book = _book(("/rollout", ROLLOUT), ("/pilots/x", PILOT))
    found = {(one.name, one.metric): one.value for one in derived(book)}
    assert found == {
        ("Oakmere", "had the time"): 1,  # 2 % of 61
        ("Larkmoor", "not had the time"): 3,  # 95 % of 63
        ("Oakmere", "not analysed"): 4,  # 61 planned, 57 with both tests
    }
    hidden = book.known["Reading Companion", "school", "Small Bay", "reached"]
    assert (hidden.low, hidden.high) == (30, 30), "what is hidden alone in a row of a total is not hidden"
    assert not book.contradictions


def test_coded_percentages_and_rounded_numbers_give_nothing_away() -> None:
    coded = ROLLOUT.replace("2 %", "10 % or fewer").replace("95 %", "90 % or more")
    assert not derived(_book(("/rollout", coded)))
    assert bounds("under 10") == (0, 9) and bounds("1,248") == (1248, 1248) and bounds("–") is None
    assert bounds("60", 10) == (55, 64) and bounds("0", 10) == (0, 0)
    assert share_bounds("10 % or fewer") == (0, 0.1) and share_bounds("12") == (0.12, 0.12)
    assert share_bounds("90 % or more") == (0.9, 1) and share_bounds("suppressed") is None
    rounded = _book(("/rollout", f"<p>Numbers of pupils are rounded to 10, and so on.</p>{ROLLOUT}"))
    planned = rounded.known["Reading Companion", "school", "Oakmere", "planned"]
    assert (planned.low, planned.high) == (56, 65), "the page says how it rounds, and an attacker reads it"


def test_two_numbers_for_one_thing_are_a_contradiction() -> None:
    other = PILOT.replace("<table>", "<dl><dt>Pupils reached</dt><dd>101</dd></dl><table>", 1)
    assert list(_book(("/rollout", ROLLOUT), ("/pilots/x", other)).contradictions) == [
        ("Reading Companion", "all", "everybody", "reached")
    ]


def test_nine_who_joined_between_two_publications_are_found() -> None:
    before = _book(("/rollout", ROLLOUT))
    after = _book(("/rollout", ROLLOUT.replace(">61<", ">70<").replace(">187<", ">196<")))
    joined = {(one.name, one.metric): one.value for one in moved(before, after)}
    assert joined[("Oakmere", "planned")] == 9 and ("everybody", "planned") in joined
