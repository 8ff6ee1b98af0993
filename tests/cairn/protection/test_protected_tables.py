"""Whatever the true numbers are: nothing that is published lets the attacker narrow few pupils down."""

from __future__ import annotations

import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cairn.protection.attack import intervals
from cairn.protection.audit import CellName, Earlier, audit, claims_of
from cairn.protection.published import COUNT, MEAN, MONEY, SHARE
from cairn.protection.rules import ENDS, Rules
from cairn.protection.tables import Metric, RawTable, protect
from cairn.settings import REPOSITORY

N_MIN = 10
ROUNDED, EXACT = Rules(N_MIN, N_MIN), Rules(N_MIN, 1)
METRICS = (Metric("pupils"), Metric("stuck", SHARE, "pupils"))


def raw(counts: list[tuple[int, int]]) -> RawTable:
    """Schools with pupils and a part of them, in two districts, with the totals of both and of all."""
    rows = {(f"s{number}",): {"pupils": n, "stuck": part} for number, (n, part) in enumerate(counts)}
    keys = list(rows)
    halves = {("north",): keys[: len(keys) // 2], ("south",): keys[len(keys) // 2 :]}
    totals = {**halves, ("*",): list(halves)}
    for total, parts in totals.items():
        rows[total] = {name: sum(rows[part][name] for part in parts) for name in ("pupils", "stuck")}
    return RawTable("schools", ("school",), METRICS, rows, totals)


@st.composite
def school_counts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Schools of which many are small, or have few, nobody or everybody in the part."""
    sizes = draw(st.lists(st.one_of(st.integers(0, 12), st.integers(13, 90)), min_size=4, max_size=9))
    return [(n, draw(st.one_of(st.integers(0, n), st.sampled_from([0, n, min(n, 3), max(n - 3, 0)])))) for n in sizes]


@pytest.mark.parametrize("rules", [ROUNDED, EXACT])
@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(counts=school_counts())
def test_the_attacker_is_left_with_ten_values_of_every_small_number(
    rules: Rules, counts: list[tuple[int, int]]
) -> None:
    table = raw(counts)
    done = protect(table, rules)
    assert audit([done.table], N_MIN, done.sensitive) == []
    claims = claims_of([done.table])
    names = {str(cell): cell for cell in done.sensitive}
    for name, (low, high) in intervals(claims, names).items():
        true = table.rows[names[name].key][names[name].metric]
        assert low <= true <= high, "what is told is true"
        assert high - low + 1 >= N_MIN


@settings(max_examples=60, deadline=None)
@given(part=st.integers(0, 2000), more=st.integers(0, 2000), n_min=st.integers(2, 30))
def test_a_share_that_is_told_has_the_smallest_group_on_both_sides(part: int, more: int, n_min: int) -> None:
    rules = Rules(n_min, n_min)
    base = rules.count(part + more)
    cell = rules.share(part, part + more, base)
    if cell.is_told:
        assert min(part, more) >= n_min
    if cell.low is not None and cell.high is not None:
        assert cell.low <= part / (part + more) <= cell.high


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n=st.integers(10, 3000), n_min=st.sampled_from([5, 10, 15]))
def test_two_publications_never_tell_that_few_came_or_went(data: st.DataObject, n: int, n_min: int) -> None:
    """A school at two dates, a few pupils more or fewer: no difference is known to within the smallest group."""
    rules = Rules(n_min, n_min)
    later = data.draw(st.integers(max(n - n_min, 0), n + n_min))
    part = data.draw(st.integers(0, n))
    after = data.draw(st.integers(min(max(part - n_min, 0), later), min(part + n_min, later)))
    first, second = (
        protect(RawTable("t", ("school",), METRICS, {("s",): {"pupils": whole, "stuck": some}}), rules)
        for whole, some in ((n, part), (later, after))
    )
    assert audit([second.table], n_min, second.sensitive, earlier=[Earlier("before", {"t": first.table})]) == []


def test_the_ends_are_those_of_the_dbt_macro() -> None:
    """The project's own rule is written here and in a statement of dbt's: they say the same."""
    model = REPOSITORY / "dbt_project/models/marts/learning/mart_district_competency.sql"
    said = re.findall(r"when counts.pupils <= (\d+) then (\d+)", model.read_text())
    assert tuple((int(up_to), int(end)) for up_to, end in said) == ENDS


def test_texts_as_pages_print_them() -> None:
    assert [ROUNDED.count(n).text for n in (0, 9, 10, 63, 1_234)] == ["under 10", "under 10", "10", "60", "1,230"]
    base = ROUNDED.count(63)
    assert [ROUNDED.share(n, 63, base).text for n in (0, 5, 26, 60)] == ["20 % or fewer"] * 2 + ["40 %", "80 % or more"]
    large = ROUNDED.count(1_503)
    assert [ROUNDED.share(n, 1_503, large).text for n in (12, 631)] == ["1 % or fewer", "42 %"]
    assert ROUNDED.share(8, 16, ROUNDED.count(16)).text == "–"
    assert (ROUNDED.mean(541.7, base).text, ROUNDED.cost_each(4_213.0, base).text) == ("542", "$70.22")
    with pytest.raises(ValueError, match="a part lies between 0 and the whole"):
        ROUNDED.share(5, 4, base)


def test_what_is_not_known_is_a_dash_and_hides_nothing() -> None:
    metrics = (*METRICS, Metric("minutes", MEAN, "pupils"), Metric("each", MONEY, "pupils"))
    rows = {("a",): {"pupils": 60, "stuck": None, "minutes": None, "each": 30.0}, ("b",): {"pupils": None}}
    done = protect(RawTable("t", ("school",), metrics, rows), ROUNDED)
    assert [done.table.text(one.name, "a") for one in metrics] == ["60", "–", "–", "$0.50"]
    assert [done.table.text(one.name, "b") for one in metrics] == ["–"] * 4
    assert done.table.cell("pupils", "not there").kind == COUNT
    assert done.sensitive == frozenset[CellName]()
