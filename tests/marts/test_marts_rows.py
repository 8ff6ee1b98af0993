"""The whole dbt project on the small district: every mart's rows against what a person works out by hand."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pyarrow.compute as pc
import pytest

import lake
from cairn.settings import Settings
from releases import evaluation, store

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]


@pytest.fixture
def rows(small_lake: Settings, release: store.Release) -> Any:
    """``rows("select ...")`` on the published release, as tuples."""
    connection = store.open_release(small_lake, "learning")
    yield lambda sql: connection.execute(sql).fetchall()
    connection.close()


def test_release_holds_marts_only(rows: Any, release: store.Release) -> None:
    schemas = rows("select distinct schema_name from duckdb_tables()")
    assert schemas == [("main",)], "working tables know more about pupils than a page needs"
    assert not rows("select view_name from duckdb_views() where not internal")
    assert len(release.tables) == 45
    assert all(name.startswith("mart_") for name in release.tables)


def test_schools_and_trust(rows: Any) -> None:
    assert rows("select * from mart_school order by 1") == [
        ("s-north", "North", 3, 2, False, None),
        ("s-south", "South", 2, 1, False, None),
    ]
    trust = rows(
        "select school_id, received, accepted, duplicate, rejected, unexplained, silent_sources, silent_source_names,"
        " unlinked_events from mart_school_trust order by 1"
    )
    assert trust == [("s-north", 4, 2, 1, 1, 0, 0, None, 1), ("s-south", 1, 1, 0, 0, 0, 1, "quiet", 0)]


def test_each_source_is_as_old_as_its_newest_work(rows: Any) -> None:
    columns = "school_id, source_id, days_with_work, last_work_date, days_since_work, is_silent"
    assert rows(f"select {columns} from mart_source_freshness order by 1, 2") == [
        ("s-north", "mathapp", 2, date(2026, 10, 14), 0, False),
        ("s-south", "mathapp", 1, date(2026, 10, 14), 0, False),
        ("s-south", "quiet", 3, date(2026, 9, 23), 21, True),
    ]
    assert rows("select count(*) from mart_source_freshness where last_event_at::date <> last_work_date") == [(0,)]


def test_subgroups_have_what_their_pupils_plans_hold(rows: Any) -> None:
    """Four competencies a pupil; alpha is mastered by p1 alone. Of three pupils nobody reported anything."""
    counts = "pupils, planned_pairs, mastered_pairs, review_due_pairs"
    found = rows(
        f"select school_id, subgroup, {counts} from mart_subgroup_mastery"
        " where subgroup_kind = 'english_learner' and subject = 'mathematics' order by all"
    )
    assert found == [
        ("s-north", "no", 1, 4, 0, 0),
        ("s-north", "not reported", 1, 4, 0, 0),
        ("s-north", "yes", 1, 4, 1, 0),
        ("s-south", "not reported", 2, 8, 0, 0),
    ]
    assert rows("select subgroup from mart_subgroup where subgroup_kind = 'sex' order by 1") == [
        ("female",),
        ("male",),
        ("not reported",),
    ]
    assert rows("select * from mart_grade") == [("5", 5)]


def test_what_cannot_be_attributed_is_counted(rows: Any) -> None:
    """All of four weeks is there once; on the data date p1 has a class and a teacher, and one learner is not linked."""
    counts = "sum(events), sum(without_pupil), sum(without_class), sum(without_teacher), sum(attributed)"
    [(events, *parts)] = rows(f"select {counts} from mart_intake_attribution")
    assert events == sum(parts) == rows("select sum(accepted) from mart_intake_ledger")[0][0]
    found = rows(
        "select source_id, org_id, without_pupil, attributed from mart_intake_attribution"
        " where work_date = date '2026-10-14' order by all"
    )
    assert found == [("mathapp", "s-north", 1, 2)]


def test_pairs_have_the_class_of_their_subject(rows: Any) -> None:
    found = rows("select student_key, class_id, state, is_stuck from mart_student_competency order by all")
    assert found == [
        ("p1", "c-nm", "mastered", False),
        ("p2", "c-nm", "developing", True),
        ("p3", "c-nm", "developing", False),
        ("p4", "c-sm", "developing", False),
        ("p5", "c-sm", "not_enough_evidence", False),
    ]


def test_a_class_that_two_teach_names_both(rows: Any) -> None:
    assert rows("select * from mart_class_teacher order by teacher_key") == [
        ("s-north", "c-nm", "t1", date(2026, 8, 17)),
        ("s-north", "c-nm", "t2", date(2026, 9, 30)),
    ]
    assert rows("select class_id, teacher_key from mart_class_attention order by 1") == [
        ("c-nm", "t1"),
        ("c-nr", None),
        ("c-sm", None),
    ]


def test_five_questions(rows: Any) -> None:
    assert rows("select student_key, reason, priority from mart_needs_adult order by school_id, priority") == [
        ("p2", "wheel_spinning", 1),
        ("p3", "slipping", 2),
    ]
    assert rows(
        "select student_key, competency_id, next_competency_id, is_by_teacher from mart_moves_on order by 1"
    ) == [
        ("p1", "k-alpha", "k-gamma", False),
        ("p4", "k-alpha", "k-gamma", True),
    ]
    assert rows("select student_key, kind, decision_id from mart_change order by 1") == [
        ("p1", "mastered", "d2"),
        ("p2", "stuck", None),
        ("p3", "lost", "d4"),
    ], "d1 is no news, d3 is older than two weeks, d9 was taken back; p2 came to ten tries on the 13th"
    assert rows("select student_key, state_before, state_after, has_worked, outcome from mart_action_followup") == [
        ("p3", "mastered", "developing", True, "not_yet")
    ]
    assert rows("select class_id, attention_score from mart_class_attention order by 1") == [
        ("c-nm", 30.0),  # 1 of 3 stuck: 16.7; 2 of 3 pairs developing: 13.3
        ("c-nr", 0.0),  # no app sends work for it
        ("c-sm", 35.0),  # 1 of 2 idle: 15; the only pair developing: 20
    ]


def test_a_group_goes_on_from_the_night_before(rows: Any, small_lake: Settings, release: store.Release) -> None:
    """p3 stays, p2 comes to her, p1 has mastered it, and p5, who went to another school, is not named at North."""
    columns = "group_id, student_key, class_id, is_member, is_new, left_reason"
    found = rows(f"select {columns} from mart_group_member order by student_key")
    assert found == [
        ("g-alpha", "p1", None, False, False, "mastered"),
        ("g-alpha", "p2", "c-nm", True, True, None),
        ("g-alpha", "p3", "c-nm", True, False, None),
    ]
    kept = lake.read(small_lake, "gold.group_member", filters=pc.field("data_date") == release.data_date)
    assert {(row["student_key"], row["group_since_date"], row["joined_date"]) for row in kept.to_pylist()} == {
        ("p2", date(2026, 10, 6), date(2026, 10, 14)),
        ("p3", date(2026, 10, 6), date(2026, 10, 7)),
    }
    assert set(kept["release_id"].to_pylist()) == {release.release_id}, "in place of what stood under that date"


def test_a_teachers_word_stands_beside_what_is_computed(rows: Any) -> None:
    assert rows(
        "select student_key, school_id, override_state, override_date, computed_state, is_set_aside"
        " from mart_override order by 1"
    ) == [
        ("p4", "s-south", "mastered", date(2026, 10, 12), "developing", False),
        ("p5", "s-south", "mastered", date(2026, 9, 1), "not_started", False),
    ]
    assert rows(
        "select student_key, state, override_state, override_by_role, override_reason, override_until_date"
        " from mart_student_competency where override_id is not null"
    ) == [("p4", "developing", "mastered", "school_leader", "seen_in_class", None)]
    assert rows(
        "select student_key, from_state, to_state, said_until_date from mart_student_decision"
        " where decided_by = 'teacher' order by student_key, data_date"
    ) == [
        ("p1", "nothing_said", "not_yet", None),
        ("p1", "not_yet", "withdrawn", None),
        ("p3", "nothing_said", "mastered", date(2026, 10, 13)),
        ("p4", "nothing_said", "mastered", None),
    ], "what North said of p5 before she moved is not in South's ledger of her"
    tables = [name for (name,) in rows("select table_name from duckdb_tables()")]
    assert not [name for name in tables if rows(f"select 1 from {name} as t where t::varchar like '%No mart may%'")]


def test_what_matches_carries_at_a_discount_and_changes_no_computed_state(rows: Any) -> None:
    found = rows(
        "select carried.student_key, carried.competency_id, carried.state, from_competency_code, relation, discount,"
        " carried.expected_share = own.expected_share * 0.95::double, carried.share_high = own.share_high"
        " from mart_student_carried as carried inner join mart_student_competency as own"
        " on carried.student_key = own.student_key and from_competency_id = own.competency_id order by 1"
    )
    # No p5: on beta there is too little, and nothing is on omega. What is carried to old from nowhere is nothing.
    share = dict(
        rows("select student_key, expected_share from mart_student_competency where competency_id = 'k-alpha'")
    )
    carried = {"p1": "mastered" if share["p1"] * 0.95 >= 0.8 else "review_due", "p2": "developing"}
    carried |= {"p3": "developing", "p4": "developing"}
    assert found == [
        (key, "k-omega", state, "ALPHA", "exactMatchOf", 0.95, True, True) for key, state in carried.items()
    ]
    assert rows("select count(*) from mart_student_carried") == [(4,)]
    assert rows("select count(*) from mart_student_competency where competency_id = 'k-omega'") == [(0,)]


def test_areas_are_told_from_their_parts(rows: Any) -> None:
    found = rows(
        "select student_key, competency_code, levels_below, parts, parts_worked_on, parts_with_evidence, state,"
        " has_stuck_part, has_carried_part, own_state from mart_student_rollup order by 1, 3"
    )
    # Of alpha, beta and omega two have evidence, of the domain's leaves (these and gamma) two of four; p5 began one.
    told = {"p1": "developing", "p2": "developing", "p3": "developing", "p4": "developing"}
    expected = []
    for key, state in told.items():
        expected.append((key, "CLUSTER", 1, 3, 2, 2, state, key == "p2", True, None))
        expected.append((key, "DOMAIN", 2, 2, 1, 1, state, key == "p2", True, None))
    expected.append(("p5", "CLUSTER", 1, 3, 1, 0, "not_enough_evidence", False, False, None))
    expected.append(("p5", "DOMAIN", 2, 2, 1, 0, "not_enough_evidence", False, False, None))
    assert found == expected
    means = rows(
        "select rolled.student_key, abs(rolled.expected_share - own.expected_share * 1.95 / 2) < 1e-12"
        " from mart_student_rollup as rolled inner join mart_student_competency as own using (student_key)"
        " where own.competency_id = 'k-alpha' order by 1"
    )
    assert means == [(key, True) for key in told for _ in range(2)]


def test_pace_through_the_plan(rows: Any) -> None:
    """North: three pupils, four competencies; in the five full weeks since 7 September (four days) one pair more, and
    more to go than the year has weeks. South has nothing decided yet. What is replaced is in nobody's plan."""
    found = rows(
        "select class_id, pupils, planned_pairs, mastered_pairs, review_due_pairs, weeks, round(a_week, 6), outlook,"
        " projected_date, earliest_date is null, latest_date is null, term_title from mart_class_pace order by class_id"
    )
    assert found == [
        ("c-nm", 3, 12, 1, 0, 5, 0.25, "after_year", None, False, True, "Fall semester"),
        ("c-sm", 2, 8, 0, 0, 0, None, "too_early", None, True, True, "Fall semester"),
    ]


def test_resources_in_the_districts_order(rows: Any) -> None:
    assert rows("select competency_id, place, resource_title, minutes from mart_competency_resource order by 1, 2") == [
        ("k-alpha", 1, "Lesson", 20),
        ("k-alpha", 2, "Practice", None),
    ]


def test_work_counts_where_the_pupil_was_enrolled_that_day(rows: Any) -> None:
    assert rows("select school_id, work_date, attempts, correct, active_pupils from mart_school_day order by all") == [
        ("s-north", date(2026, 9, 20), 2, 1, 1),  # p5 was at North then, though the source said South
        ("s-north", date(2026, 10, 12), 2, 1, 1),
        ("s-north", date(2026, 10, 13), 10, 6, 2),
        ("s-south", date(2026, 10, 13), 3, 2, 1),
    ]


def test_pilot_as_assigned(rows: Any) -> None:
    found = rows(
        "select student_key, arm, baseline_score, outcome_score, is_joiner, has_moved_school, dosage_minutes"
        " from mart_pilot_pupil order by 1"
    )
    assert found == [
        ("p1", "treatment", 200.0, 220.0, False, False, 80.0),
        ("p2", "treatment", 210.0, None, False, False, 0.0),
        ("p3", "treatment", None, None, False, False, 0.0),
        ("p4", "comparison", 205.0, None, False, False, 0.0),
        ("p5", "treatment", None, None, False, True, 0.0),
    ]
    beside = "dosage_source, dosage_minutes_stream, dosage_minutes_file, dosage_events_untimed, moved_to_arm"
    assert rows(f"select {beside} from mart_pilot_pupil where student_key in ('p1', 'p5') order by student_key") == [
        ("files", 7.5, 80.0, 3, None),
        ("files", 0.0, None, 0, "comparison"),
    ]
    assert rows(
        "select pupils_assigned, pupils_with_baseline, mean_baseline, dosage_met_share, cost_usd"
        " from mart_pilot_school order by school_id"
    ) == [(4, 2, 205.0, 0.25, 120.0), (1, 1, 205.0, 0.0, 0.0)]
    assert rows(
        "select school_id, pupils_planned, pupils_reached, milestones_late, cost_per_pupil_usd from mart_rollout_school"
    ) == [("s-north", 4, 1, 1, 30.0)]


def test_scores_of_every_window_of_the_plan(rows: Any) -> None:
    """A make-up counts, a test a day after it is outside; nobody without any result has a row."""
    assert rows(
        "select window_number, part, until_date, student_key, school_id, score, is_only_outside from mart_pilot_window"
        " order by 1, 4"
    ) == [
        (1, "baseline", date(2026, 9, 10), "p1", "s-north", 200.0, False),
        (1, "baseline", date(2026, 9, 10), "p2", "s-north", 210.0, False),
        (1, "baseline", date(2026, 9, 10), "p4", "s-south", 205.0, False),
        (2, "between", date(2026, 9, 25), "p1", "s-north", 212.0, False),
        (2, "between", date(2026, 9, 25), "p2", "s-north", None, True),
        (3, "outcome", date(2026, 10, 12), "p1", "s-north", 220.0, False),
    ]


def test_small_groups_stay_hidden(rows: Any) -> None:
    said = "fewer than 10 pupils"
    assert rows(
        "select competency_id, pupils, mastered_pct_protected, review_due_pct_protected from mart_district_competency"
        " order by 1"
    ) == [(key, None, said, said) for key in ("k-alpha", "k-beta", "k-gamma", "k-omega")]


def test_each_enrolled_pupil_is_in_the_plan_of_a_subject_once(rows: Any) -> None:
    """p1 has a mathematics and a reading class, of which the framework knows mathematics; nobody has begun gamma."""
    assert rows("select student_key, subject, class_id, grade from mart_pupil_plan order by 1") == [
        ("p1", "mathematics", "c-nm", "5"),
        ("p2", "mathematics", "c-nm", "5"),
        ("p3", "mathematics", "c-nm", "5"),
        ("p4", "mathematics", "c-sm", "5"),
        ("p5", "mathematics", "c-sm", "5"),
    ]


def test_books_balance(rows: Any) -> None:
    assert rows(
        "select * exclude (conflict, quarantined) from mart_intake_ledger where org_id = 's-north' order by 1"
    ) == [
        (date(2026, 10, 13), "mathapp", "s-north", 1, 1, 0, 0, 0),
        (date(2026, 10, 14), "mathapp", "s-north", 4, 2, 1, 1, 0),
    ]
    assert rows("select count(*), sum(abs(unexplained)) from mart_intake_ledger") == [(6, 0)]


def test_evaluation_rests_on_the_release(small_lake: Settings, release: store.Release) -> None:
    first = evaluation.build_and_publish(small_lake)
    assert first.based_on == release.release_id
    assert evaluation.build_and_publish(small_lake) == first, "nothing has changed: the same evaluation stands"
    connection = store.open_release(small_lake, "evaluation")
    (text,) = connection.execute("select scorecard_json from pilot_scorecard").fetchone() or ("",)
    card = json.loads(text)
    assert (card["pilot_id"], card["release_id"]) == ("pilot-1", release.release_id)
    assert card["recommendation"], "two schools tell little, but that is said"
    assert card["cost"]["total_usd"] == 120.0
    assert connection.execute("select count(*) from rollout_school").fetchall() == [(1,)]
    reached = "select value from rollout_metric where name = 'pupils_reached' and scope = 'pilot:pilot-1'"
    assert connection.execute(reached).fetchall() == [(1.0,)]
    assert connection.execute("select count(*) > 0 from pilot_result where name = 'recommendation'").fetchall() == [
        (True,)
    ]
    connection.close()
