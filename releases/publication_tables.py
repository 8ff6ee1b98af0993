"""The true numbers behind the protected tables, read from a release, and which of them speak of the same pupils."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from cairn.protection.audit import CellName, Pair
from cairn.protection.published import MEAN, MONEY, SHARE, Key
from cairn.protection.tables import Metric, Number, RawTable
from releases.learning_marts import marts_of
from releases.publication_equity import GROUPS as PUPIL_GROUPS
from releases.publication_equity import METRICS as PUPIL_METRICS
from releases.publication_equity import SCHOOL_GROUPS, SCHOOL_METRICS, equity_tables

ALL = "*"
TREATMENT, COMPARISON = "*treatment", "*comparison"
OVERVIEW, COMPETENCY = "school_overview", "competency"
ROLLOUT, GROUPS, SCHOOLS, COUNTS = "rollout_school", "rollout_group", "pilot_school", "pilot_counts"
OVERVIEW_METRICS = (Metric("pupils"), Metric("need_adult", SHARE, "pupils"), Metric("moves_on", SHARE, "pupils"))
Row = Mapping[str, Number]
Rows = dict[Key, dict[str, Number]]

_OVERVIEW = """
select s.school_id, s.pupils, coalesce(n.pupils, 0) as need_adult, coalesce(m.pupils, 0) as moves_on
from mart_school s
left join (select school_id, count(distinct student_key) as pupils from mart_needs_adult group by 1) n using (school_id)
left join (select school_id, count(distinct student_key) as pupils from mart_moves_on group by 1) m using (school_id)
where s.pupils is not null order by 1"""
# As mart_district_competency counts: enrolled pupils whose plan holds the competency, begun or not.
_COMPETENCY = """
select c.competency_id, count(*) as pupils, count(*) filter (where p.state = 'mastered') as mastered,
    count(*) filter (where p.state = 'review_due') as review_due
from mart_competency c
inner join mart_pupil_plan plan on c.subject = plan.subject
    and (c.grades is null or plan.grade is null or contains(c.grades, ',' || plan.grade || ','))
left join mart_student_competency p on plan.student_key = p.student_key and c.competency_id = p.competency_id
group by 1 order by 1"""
_ROLLOUT = """
select pilot_id, school_id, pupils_planned, pupils_reached,
    cast(round(dosage_met_share * pupils_planned) as integer) as dosage_met, dosage_minutes_mean, cost_usd
from mart_rollout_school order by 1, 2"""
_GROUPS = """
select pilot_id, grouping_name, group_name, sum(pupils_planned) as pupils_planned, sum(pupils_reached) as pupils_reached
from mart_rollout_group group by all order by 1, 2, 3"""
_ASSIGNED = "select pilot_id, school_id, arm, pupils_assigned as pupils from mart_pilot_school order by 1, 2"
_ROLLOUT_METRICS = (
    Metric("pupils_planned"),
    Metric("pupils_reached", SHARE, "pupils_planned"),
    Metric("dosage_met", SHARE, "pupils_planned"),
    Metric("dosage_minutes_mean", MEAN, "pupils_planned"),
    Metric("cost_per_pupil_usd", MONEY, "pupils_planned"),
)


def learning_tables(source: duckdb.DuckDBPyConnection) -> list[RawTable]:
    """``school_overview`` (school, and ``*`` for all), ``competency``, ``mastery_group`` and ``mastery_school_group``
    (releases/publication_equity.py), of an open learning release."""
    schools = _rows(source, _OVERVIEW, 1)
    totals: dict[Key, Sequence[Key]] = {(ALL,): list(schools)} if schools else {}
    states = (Metric("pupils"), Metric("mastered", SHARE, "pupils"), Metric("review_due", SHARE, "pupils"))
    return [
        RawTable(OVERVIEW, ("school_id",), OVERVIEW_METRICS, _with_totals(schools, totals, OVERVIEW_METRICS), totals),
        RawTable(COMPETENCY, ("competency_id",), states, _rows(source, _COMPETENCY, 1)),
        *equity_tables(source),
    ]


def evaluation_tables(learning: duckdb.DuckDBPyConnection, cards: Iterable[str]) -> list[RawTable]:
    """The tables of pilots and rollout, of the learning release that an evaluation rests on and its scorecards (JSON).

    ``rollout_school`` (pilot, school; ``*`` for all of a pilot), ``rollout_group`` (pilot, grouping, group; ``*``),
    ``pilot_school`` (pilot, school; ``*treatment``, ``*comparison`` and ``*``) on the base of the pupils assigned, and
    ``pilot_counts`` (pilot): the same numbers of the whole pilot.
    """
    rollout = _rows(learning, _ROLLOUT, 2)
    for row in rollout.values():
        row["cost_per_pupil_usd"] = row.pop("cost_usd")
    of_pilot: dict[Key, list[Key]] = {}
    for pilot, school in rollout:
        of_pilot.setdefault((pilot, ALL), []).append((pilot, school))
    rollout = _with_totals(rollout, of_pilot, _ROLLOUT_METRICS)
    schools, arms = _pilot_schools(learning, [json.loads(card) for card in cards])
    told = [RawTable(ROLLOUT, ("pilot_id", "school_id"), _ROLLOUT_METRICS, rollout, of_pilot)]
    if "mart_rollout_group" in marts_of(learning):
        groups = _rows(learning, _GROUPS, 3)
        of_grouping: dict[Key, list[Key]] = {}
        for pilot, grouping, group in groups:
            of_grouping.setdefault((pilot, grouping, ALL), []).append((pilot, grouping, group))
        metrics = _ROLLOUT_METRICS[:2]
        told.append(
            RawTable(
                GROUPS,
                ("pilot_id", "grouping_name", "group_name"),
                metrics,
                _with_totals(groups, of_grouping, metrics),
                of_grouping,
            )
        )
    told.append(schools)
    counts: Rows = {}
    for key in arms:
        pilot = key[0]
        counts[(pilot,)] = {**schools.rows[key], **rollout.get((pilot, ALL), {})}
    tested = (Metric("pupils"), Metric("both_tests", SHARE, "pupils"))
    told.append(RawTable(COUNTS, ("pilot_id",), (*tested, *_ROLLOUT_METRICS), counts))
    return told


def _pilot_schools(
    learning: duckdb.DuckDBPyConnection, cards: Sequence[Mapping[str, object]]
) -> tuple[RawTable, list[Key]]:
    """Schools of each pilot as assigned, with the share that has both tests and the card's means; and the key of each
    pilot's total."""
    found = learning.execute(_ASSIGNED).fetchall()
    tested = learning.execute(
        "select pilot_id, school_id, count(*) from mart_pilot_pupil where not is_joiner"
        " and baseline_score is not null and outcome_score is not null group by all"
    ).fetchall()
    both = {(pilot, school): count for pilot, school, count in tested}
    means = _means(cards)
    rows: Rows = {}
    totals: dict[Key, list[Key]] = {}
    for pilot, school, arm, pupils in found:
        key = (pilot, school)
        rows[key] = {"pupils": pupils, "both_tests": both.get(key, 0), **means.get(key, {})}
        totals.setdefault((pilot, TREATMENT if arm == "treatment" else COMPARISON), []).append(key)
    for pilot in sorted({pilot for pilot, *_ in found}):
        totals[(pilot, ALL)] = [key for key in totals if key[0] == pilot and key[1] != ALL]
    metrics = (
        Metric("pupils"),
        Metric("both_tests", SHARE, "pupils"),
        *(Metric(name, MEAN, "pupils", digits) for name, digits in MEANS.items()),
    )
    rows = _with_totals(rows, totals, metrics[:2])
    raw = RawTable(SCHOOLS, ("pilot_id", "school_id"), metrics, rows, totals)
    return raw, [key for key in totals if key[1] == ALL]


MEANS = {"mean_baseline": 1, "mean_outcome": 1, "mean_minutes": 0}


def _means(cards: Sequence[Mapping[str, object]]) -> dict[Key, dict[str, Number]]:
    """The means that each scorecard has of its schools."""
    found: dict[Key, dict[str, Number]] = {}
    for card in cards:
        schools = card.get("schools")
        for school in schools if isinstance(schools, list) else ():
            found[(str(card["pilot_id"]), str(school["school_id"]))] = {name: school.get(name) for name in MEANS}
    return found


def _with_totals(rows: Rows, totals: Mapping[Key, Sequence[Key]], metrics: Sequence[Metric]) -> Rows:
    """The rows and their totals, a mean's weighed by the pupils it is of; where a part is not known nor is its total.

    Totals of totals come after those they are made of.
    """
    found = dict(rows)
    for total, parts in totals.items():
        found[total] = {}
        for metric in metrics:
            values = [found[part].get(metric.name) for part in parts]
            weights = [found[part].get(metric.of) or 0 for part in parts] if metric.kind == MEAN else []
            known = [value for value in values if value is not None]
            if len(known) < len(values) or (weights and not sum(weights)):
                found[total][metric.name] = None
            elif weights:
                found[total][metric.name] = sum(v * w for v, w in zip(known, weights, strict=True)) / sum(weights)
            else:
                found[total][metric.name] = sum(known)
    return found


def _rows(source: duckdb.DuckDBPyConnection, sql: str, keys: int) -> Rows:
    """Rows of a query by its first columns."""
    cursor = source.execute(sql)
    names = [column for (column, *_) in cursor.description or ()]
    return {
        tuple(str(value) for value in row[:keys]): dict(zip(names[keys:], row[keys:], strict=True))
        for row in cursor.fetchall()
    }


def pairs_of(tables: Mapping[str, Iterable[Key]]) -> list[Pair]:
    """Numbers of the same, or almost the same, pupils on several pages, by the keys of the tables that are published.

    A school's pupils now and as planned by a pilot differ by those who came and went; a pilot's planned pupils are the
    same on the rollout page, the pilot's page and in each grouping; every grouping of pupils divides the same ones, of
    whom each metric has one total.
    """
    has = {name: set(keys) for name, keys in tables.items()}

    def both(one: tuple[str, Key, str], other: tuple[str, Key, str], is_same: bool) -> list[Pair]:
        is_there = one[1] in has.get(one[0], ()) and other[1] in has.get(other[0], ())
        return [Pair(CellName(*one), CellName(*other), is_same=is_same)] if is_there else []

    found: list[Pair] = []
    for pilot, school in has.get(ROLLOUT, ()):
        planned = (ROLLOUT, (pilot, school), "pupils_planned")
        if school == ALL:
            found += both(planned, (COUNTS, (pilot,), "pupils_planned"), True)
            found += both(planned, (SCHOOLS, (pilot, TREATMENT), "pupils"), True)
        else:
            found += both(planned, (SCHOOLS, (pilot, school), "pupils"), True)
            found += both((OVERVIEW, (school,), "pupils"), planned, False)
    for pilot, grouping, group in has.get(GROUPS, ()):
        if group == ALL:
            total = (GROUPS, (pilot, grouping, ALL), "pupils_planned")
            found += both((ROLLOUT, (pilot, ALL), "pupils_planned"), total, True)
    groupings = sorted({key for key in has.get(PUPIL_GROUPS, ()) if key[1] == ALL})
    overview = [metric.name for metric in OVERVIEW_METRICS]
    for key in groupings:
        for metric in overview:
            found += both((OVERVIEW, (ALL,), metric), (PUPIL_GROUPS, key, metric), True)
        for metric in (metric.name for metric in PUPIL_METRICS):
            if key != groupings[0]:
                found += both((PUPIL_GROUPS, groupings[0], metric), (PUPIL_GROUPS, key, metric), True)
    for school, grouping, group in has.get(SCHOOL_GROUPS, ()):
        for metric in (metric.name for metric in SCHOOL_METRICS):
            number = (SCHOOL_GROUPS, (school, grouping, group), metric)
            if group == ALL and metric in overview:
                found += both((OVERVIEW, (school,), metric), number, True)
            elif school == ALL:
                found += both((PUPIL_GROUPS, (grouping, group), metric), number, True)
    for pilot, school in has.get(SCHOOLS, ()):
        if school == ALL:
            found += both((SCHOOLS, (pilot, ALL), "pupils"), (COUNTS, (pilot,), "pupils"), True)
    return found
