"""The roll-up's SQL on random trees and pupils, against the rule as a person would write it in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.dbt_sources import PROJECT

LEVELS, MASTERED_PCT, EVIDENCE_PCT = 8, 80, 50
STATES = ("not_enough_evidence", "developing", "mastered", "review_due")
RULES = {"CAIRN_ROLLUP_MASTERED_PCT": str(MASTERED_PCT), "CAIRN_ROLLUP_EVIDENCE_PCT": str(EVIDENCE_PCT)}
SHARES = st.floats(0.0, 1.0).map(lambda share: round(share, 3))


@dataclass(frozen=True)
class Told:
    """What is said of a competency: state, share and interval, whether anything below is stuck."""

    state: str
    share: float | None
    low: float | None
    high: float | None
    is_stuck: bool


def sql(model: str) -> str:
    """A model of dbt's as plain SQL over tables that are called as the models are."""
    environment = jinja2.Environment()
    # Plain jinja has no return of dbt's: the number of levels is read out of its macro and given back as one.
    rules = (PROJECT / "macros" / "rules.sql").read_text(encoding="utf-8")
    assert f"{{{{ return({LEVELS}) }}}}" in rules
    rules = rules.replace("{% macro rollup_levels() -%}", "{% macro unused_levels() -%}")
    rollup = (PROJECT / "macros" / "rollup.sql").read_text(encoding="utf-8")
    text = (PROJECT / "models" / "intermediate" / f"{model}.sql").read_text(encoding="utf-8")
    known = {"env_var": RULES.__getitem__, "ref": lambda name: name, "rollup_levels": lambda: LEVELS}
    return environment.from_string(rules + rollup + text).render(known)


ROLLUP, TREE = sql("int_competency_rollup"), sql("int_competency_tree")


def by_hand(node: int, children: dict[int, list[int]], standing: dict[int, Told]) -> Told | None:
    """The rule, from a competency down; None where nothing below was worked on."""
    if not children.get(node):
        return standing.get(node)
    leaves = {child: len(leaves_below(child, children)) for child in children[node]}
    parts = {child: told for child in leaves if (told := by_hand(child, children, standing))}
    if not parts:
        return None
    shown = {child: told for child, told in parts.items() if told.state != "not_enough_evidence"}
    whole, seen = sum(leaves.values()), sum(leaves[child] for child in shown)

    def mean(end: str) -> float | None:
        return sum(leaves[child] * getattr(told, end) for child, told in shown.items()) / seen if seen else None

    def weight(*states: str) -> int:
        return sum(leaves[child] for child, told in parts.items() if told.state in states)

    is_stuck = any(told.is_stuck for told in parts.values())
    state = "developing"
    if 100 * seen < EVIDENCE_PCT * whole:
        state = "not_enough_evidence"
    elif not is_stuck and 100 * weight("mastered") >= MASTERED_PCT * whole:
        state = "mastered"
    elif not is_stuck and 100 * weight("mastered", "review_due") >= MASTERED_PCT * whole:
        state = "review_due"
    return Told(state, mean("share"), mean("low"), mean("high"), is_stuck)


def leaves_below(node: int, children: dict[int, list[int]]) -> set[int]:
    """Different leaves below a competency; itself where it has no parts."""
    if not children.get(node):
        return {node}
    return set().union(*(leaves_below(child, children) for child in children[node]))


@st.composite
def districts(draw: st.DrawFn) -> tuple[dict[int, list[int]], dict[tuple[str, int], Told]]:
    """Up to a dozen competencies, some with two parents, and what two pupils did, also on those with parts."""
    size = draw(st.integers(2, 12))
    parents = {node: draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=2)) for node in range(1, size)}
    children: dict[int, list[int]] = {}
    for node, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(node)
    done = {}
    for pupil in ("p1", "p2"):
        for node in draw(st.sets(st.integers(0, size - 1))):
            low, share, high = sorted(draw(st.tuples(SHARES, SHARES, SHARES)))
            state = draw(st.sampled_from(STATES))
            done[pupil, node] = Told(state, share, low, high, state == "developing" and draw(st.booleans()))
    return children, done


def height(node: int, children: dict[int, list[int]]) -> int:
    """Steps to the farthest leaf."""
    return 1 + max(height(child, children) for child in children[node]) if children.get(node) else 0


@settings(max_examples=40, deadline=None)
@given(districts())
def test_the_sql_rolls_up_as_the_rule_says(
    district: tuple[dict[int, list[int]], dict[tuple[str, int], Told]],
) -> None:
    children, done = district
    if height(0, children) > LEVELS:
        return
    edges = [(str(child), str(parent)) for parent, parts in children.items() for child in parts]
    rows: list[tuple[Any, ...]] = [
        (pupil, str(node), told.state, told.share, told.low, told.high, told.is_stuck, None)
        for (pupil, node), told in done.items()
    ]
    found = rolled_up(edges, rows)
    expected = {}
    for pupil in ("p1", "p2"):
        mine = {node: told for (key, node), told in done.items() if key == pupil}
        for node in children:
            if told := by_hand(node, children, mine):
                expected[pupil, str(node)] = told
    assert found.keys() == expected.keys()
    for key, told in expected.items():
        assert (found[key].state, found[key].is_stuck) == (told.state, told.is_stuck), key
        ends = (found[key].share, found[key].low, found[key].high)
        assert ends == (pytest.approx(told.share), pytest.approx(told.low), pytest.approx(told.high)), key


def rolled_up(edges: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], Told]:
    """What the SQL says, by pupil and competency."""
    connection = duckdb.connect()
    try:
        connection.execute("create table stg_competency_parent (competency_id varchar, parent_id varchar)")
        connection.executemany("insert into stg_competency_parent values (?, ?)", edges)
        connection.execute(
            "create table int_pupil_standing (student_key varchar, competency_id varchar, state varchar,"
            " expected_share double, share_low double, share_high double, is_stuck boolean, carried_from_id varchar)"
        )
        if rows:
            connection.executemany("insert into int_pupil_standing values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(f"create table int_competency_tree as {TREE}")
        told = connection.execute(
            "select student_key, competency_id, state, expected_share, share_low, share_high, has_stuck_part"
            f" from ({ROLLUP})"
        ).fetchall()
    finally:
        connection.close()
    found = {(row[0], row[1]): Told(*row[2:]) for row in told}
    assert len(found) == len(told), "a row a pupil and competency"
    return found


def test_a_chain_as_deep_as_the_roll_up_goes_is_told_to_its_root() -> None:
    edges = [(str(node), str(node + 1)) for node in range(LEVELS)]
    found = rolled_up(edges, [("p1", "0", "mastered", 0.9, 0.8, 1.0, False, None)])
    assert len(found) == LEVELS
    assert found["p1", str(LEVELS)] == Told("mastered", 0.9, 0.8, 1.0, False)
