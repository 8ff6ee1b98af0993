"""The attacker of ``derive.py`` finds what the first review found by hand, in pages as they were then."""

from __future__ import annotations

from tests.attack.derive import Book, derived, moved, narrowed, read_book
from tests.attack.mail_cells import mail_cells
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
    assert (planned.low, planned.high) == (61, 61), "a number that is no multiple of ten was not rounded"
    tens = ROLLOUT.replace(">61<", ">60<").replace(">63<", ">60<").replace(">187<", ">190<")
    rounded = _book(("/rollout", f"<p>Numbers of pupils are rounded to 10.</p>{tens}"))
    planned = rounded.known["Reading Companion", "school", "Oakmere", "planned"]
    assert (planned.low, planned.high) == (57, 64), "the page says how it rounds, and an attacker reads it"


def test_sentences_and_mails_are_read_as_tables_are() -> None:
    said = "<h1>Reading Companion</h1><p>3 pupils joined after the start.</p><li>arm B: 7 treated pupils</li>"
    found = {(one.metric, one.value) for one in derived(_book(("/pilots/x", said)))}
    assert found == {("pupils", 3), ("pupils", 7)}
    mail = b"Subject: Oakmere: 4 pupils need an adult (Thu 26 Nov)\r\n\r\nabout 40 pupils move on.\r\n"
    told = {(one.name, one.metric, one.value) for one in derived(read_book(mail_cells(mail)))}
    assert told == {("Oakmere", "need an adult", 4)}
    lost = "<dd>attrition of pupils in schools is low: 2.0 % overall and 1.0 points between arms</dd>"
    who = "<p>200 pupils in 6 schools, grade 4.</p>"
    assert [one.value for one in derived(_book(("/pilots/x", f"<h1>P</h1>{who}{lost}")))] == [4, 2]


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
    rounded = [
        _book(("/rollout", f"<p>Numbers of pupils are rounded to 10.</p>{ROLLOUT.replace('61', count)}"))
        for count in ("60", "70")
    ]
    assert ("Oakmere", "planned") not in {(one.name, one.metric) for one in moved(rounded[0], rounded[1])}, (
        "they may be 1 or 19"
    )


def test_a_number_of_few_values_under_ten_is_narrowed() -> None:
    told = _book(("/rollout", ROLLOUT.replace(">30<", ">under 10<", 1).replace(">100<", ">73<")))
    assert [key[2] for key, _ in narrowed(told) if key[3] == "reached"] == []
    both = told.known["Reading Companion", "school", "Larkmoor", "reached"]
    assert (both.low, both.high) == (0, 9)
    less = _book(("/rollout", ROLLOUT.replace(">30<", ">under 10<", 1).replace("<td>–</td><td>63</td>", "<td>30</td>")))
    assert {key[2] for key, _ in narrowed(less)} == set()
