"""The attacker's audit finds what the first review found by hand, and what is planted."""

from __future__ import annotations

from cairn.protection.audit import EARLIER, MARGINS, ROUNDING, SUBTRACTION, CellName, Earlier, Pair, audit
from cairn.protection.published import COUNT, EMPTY, SHARE, Key, PublishedCell, PublishedTable
from cairn.protection.tables import Protected, leave_out

N_MIN = 10


def count(number: int) -> PublishedCell:
    """An exact number, as pages showed it before."""
    return PublishedCell(str(number), COUNT, number, number, number)


def percent(whole: int) -> PublishedCell:
    """A whole percentage, as pages showed it before."""
    return PublishedCell(f"{whole} %", SHARE, whole / 100, max(whole / 100 - 0.005, 0.0), whole / 100 + 0.005)


UP_TO_10 = PublishedCell("10 % or fewer", SHARE, None, 0.0, 0.105)


def table(name: str, rows: dict[str, tuple[int, PublishedCell]], metric: str = "mastered") -> PublishedTable:
    """Counts of pupils and a share of them, by one dimension."""
    cells = {(key,): {"pupils": count(pupils), metric: share} for key, (pupils, share) in rows.items()}
    return PublishedTable(name, ("row",), ("pupils", metric), cells, {metric: "pupils"})


def test_rounded_percentages_of_the_rollout_page_are_turned_back_into_pupils() -> None:
    """The review's schools: 2 % of 61 is one pupil, 95 % of 63 leaves three; 42 % of 60 is 25 and tells nobody."""
    shares = {"Oakmere": (61, percent(2)), "Larkmoor": (63, percent(95)), "Foxglove": (60, percent(42))}
    found = audit([table("rollout_school", shares, "dosage_met")], N_MIN)
    assert [(one.cell.key, one.attack) for one in found] == [(("Oakmere",), ROUNDING), (("Larkmoor",), ROUNDING)]


def test_the_second_of_two_nights_is_refused_for_its_nine_pupils() -> None:
    """The review's numbers: M.RP.1 33 pupils, then 42; M.MD.5 121 at 14 %, then 127 at 16 %."""
    first = table("competency", {"M.RP.1": (33, UP_TO_10), "M.MD.5": (121, percent(14)), "M.NF.1": (90, percent(50))})
    second = table(
        "competency", {"M.RP.1": (42, percent(12)), "M.MD.5": (127, percent(16)), "M.NF.1": (90, percent(50))}
    )
    since = [
        one
        for one in audit([second], N_MIN, earlier=[Earlier("23 Nov", {"competency": first})])
        if one.attack == EARLIER
    ]
    assert {(one.cell.key[0], one.cell.metric) for one in since} == {
        ("M.RP.1", "pupils"),
        ("M.RP.1", "mastered"),
        ("M.MD.5", "pupils"),
        ("M.MD.5", "mastered"),
    }
    assert str(since[0]).endswith("differs from the publication of 23 Nov by fewer than 10 pupils")


def test_two_pages_of_almost_the_same_pupils_are_subtracted() -> None:
    """Planned 63 on one page, both tests 60 on the other: three pupils of Marlow without a test."""
    planned, tested = (
        table(name, {"Marlow": (n, percent(50))}) for name, n in (("rollout_school", 63), ("pilot_school", 60))
    )
    pair = Pair(
        CellName("rollout_school", ("Marlow",), "pupils"), CellName("pilot_school", ("Marlow",), "pupils"), is_part=True
    )
    assert [one.attack for one in audit([planned, tested], N_MIN, pairs=[pair])] == [SUBTRACTION]


def test_a_total_gives_back_the_one_school_that_is_hidden() -> None:
    hidden = PublishedCell("under 10", COUNT, None, 0, 9)
    rows = {("a",): {"pupils": count(40)}, ("b",): {"pupils": hidden}, ("*",): {"pupils": count(47)}}
    told = PublishedTable("schools", ("school",), ("pupils",), rows, {}, {("*",): [("a",), ("b",)]})
    sensitive = [CellName("schools", ("b",), "pupils")]
    assert [(one.cell, one.attack) for one in audit([told], N_MIN, sensitive)] == [(sensitive[0], MARGINS)]
    rounded = {**rows, ("*",): {"pupils": PublishedCell("50", COUNT, 50, 45, 54)}}
    rounded[("a",)] = {"pupils": PublishedCell("50", COUNT, 50, 45, 54)}
    again = PublishedTable("schools", ("school",), ("pupils",), rounded, {}, told.totals)
    assert audit([again], N_MIN, sensitive) == []


def test_what_contradicts_itself_is_not_published() -> None:
    rows = {("a",): {"pupils": count(40)}, ("*",): {"pupils": count(47)}}
    told = PublishedTable("schools", ("school",), ("pupils",), rows, {}, {("*",): [("a",)]})
    (failure,) = audit([told], N_MIN)
    assert "contradicts itself" in failure.why


def two_pages(school: PublishedCell, page: PublishedCell) -> dict[str, PublishedTable]:
    """A number on a page, and the same number on another."""
    return {
        name: PublishedTable(name, ("row",), ("pupils",), {("a",): {"pupils": cell}})
        for name, cell in (("overview", school), ("other", page))
    }


ALIKE = [Pair(CellName("overview", ("a",), "pupils"), CellName("other", ("a",), "pupils"), is_same=True)]


def test_what_two_pages_told_together_on_an_earlier_day_is_held_against_today() -> None:
    """Yesterday 55 to 64 here and 61 to 70 there: 61 to 64. Today 66 to 69. From two to eight came, and the page that
    told it yesterday is not there today."""
    rounded = PublishedCell("60", COUNT, 60, 55, 64)
    first = two_pages(rounded, PublishedCell("61 to 70", COUNT, None, 61, 70))
    today = two_pages(PublishedCell("66 to 69", COUNT, None, 66, 69), EMPTY)
    del today["other"]
    failures = audit(list(today.values()), N_MIN, earlier=[Earlier("monday", first, ALIKE)])
    assert [(one.cell.table, one.attack) for one in failures] == [("overview", EARLIER)]
    assert audit(list(today.values()), N_MIN, earlier=[Earlier("monday", first)]) == [], "by each page alone: 2 to 14"


def test_a_text_that_stands_tells_of_few_where_what_is_beside_it_moved() -> None:
    """The overview says 60 on both days. The other page narrows it to 55 to 57, then to 61 to 64."""
    rounded = PublishedCell("60", COUNT, 60, 55, 64)
    first = two_pages(rounded, PublishedCell("50 to 57", COUNT, None, 50, 57))
    second = two_pages(rounded, PublishedCell("61 to 70", COUNT, None, 61, 70))
    found = audit(list(second.values()), N_MIN, pairs=ALIKE, earlier=[Earlier("monday", first, ALIKE)])
    assert {(one.cell.table, one.attack) for one in found} == {("overview", EARLIER), ("other", EARLIER)}
    assert audit(list(first.values()), N_MIN, pairs=ALIKE, earlier=[Earlier("monday", first, ALIKE)]) == []


def test_pages_of_an_earlier_day_that_did_not_fit_are_held_against_today_each_by_itself() -> None:
    first = two_pages(count(40), count(47))
    today = two_pages(count(42), count(42))
    found = audit(list(today.values()), N_MIN, pairs=ALIKE, earlier=[Earlier("monday", first, ALIKE)])
    assert {(one.cell.table, one.attack) for one in found} == {("overview", EARLIER), ("other", EARLIER)}


def test_what_tables_tell_together_is_left_out_in_all_of_them() -> None:
    """Four pupils at the school: 40 of 44 on one page, and 44 in all on another."""
    sums: dict[Key, list[Key]] = {("*",): [("a",), ("b",)]}
    rows = {("a",): count(40), ("b",): PublishedCell("under 10", COUNT, None, 0, 9), ("*",): EMPTY}
    told = PublishedTable(
        "schools", ("row",), ("pupils",), {key: {"pupils": one} for key, one in rows.items()}, {}, sums
    )
    other = PublishedTable("other", ("row",), ("pupils",), {("*",): {"pupils": count(44)}})
    sensitive = frozenset({CellName("schools", ("b",), "pupils")})
    pairs = [Pair(CellName("schools", ("*",), "pupils"), CellName("other", ("*",), "pupils"), is_same=True)]
    failures = audit([told, other], N_MIN, sensitive, pairs)
    assert [(one.cell.key, one.attack) for one in failures] == [(("b",), MARGINS)]
    parts = [Protected(told, sensitive, 0), Protected(other, frozenset(), 0)]
    while failures:
        parts = leave_out(parts, failures, pairs)
        failures = audit([part.table for part in parts], N_MIN, sensitive, pairs)
    assert sum(part.suppressed for part in parts) >= 1
    assert leave_out(parts, [], pairs) == parts
