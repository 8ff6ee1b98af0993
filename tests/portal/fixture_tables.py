"""The columns of the marts that pages and feeds read, as the small published release has them."""

from __future__ import annotations

from datetime import UTC, datetime

# States before and after, and what kind of news that is.
NEWS = (
    ("developing", "mastered", "mastered"),
    ("mastered", "developing", "lost"),
    ("developing", "developing", "stuck"),
    ("review_due", "mastered", "back"),
)
# Of a source that goes on, and of one that fell silent: days with work, newest day, how long ago, newest instant.
_DAY, _SILENT_SINCE = datetime(2026, 10, 14, 15, 42, tzinfo=UTC), datetime(2026, 10, 2, 15, 42, tzinfo=UTC)
FRESHNESS = (
    ("math-app", _DAY.date(), 12, _DAY.date(), 0, _DAY, False),
    ("reading-app", _DAY.date(), 9, _SILENT_SINCE.date(), 12, _SILENT_SINCE, True),
)
TABLES = {
    "mart_school": "school_id varchar, school_name varchar, pupils bigint, classes bigint, is_held_back boolean,"
    " held_reason varchar",
    "mart_school_trust": "school_id varchar, data_date date, received bigint, accepted bigint, duplicate bigint,"
    " conflict bigint, rejected bigint, quarantined bigint, unexplained bigint, last_event_at timestamptz,"
    " silent_sources int, silent_source_names varchar, gates_failed bigint, is_held_back boolean,"
    " unlinked_events bigint",
    "mart_student_competency": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, subject varchar, state varchar,"
    " expected_share double, share_low double, share_high double, counted_attempts bigint, last_event_at timestamptz,"
    " state_since_at timestamptz, is_stuck boolean, stuck_reason varchar, model_version varchar,"
    " policy_version varchar, override_state varchar, override_by_role varchar, override_date date,"
    " override_until_date date, override_reason varchar, override_id varchar",
    "mart_override": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, override_state varchar,"
    " override_by_role varchar, override_date date, override_until_date date, override_reason varchar,"
    " override_id varchar, computed_state varchar, expected_share double, share_low double, share_high double,"
    " is_set_aside boolean",
    "mart_student_rollup": "school_id varchar, student_key varchar, competency_id varchar, competency_code varchar,"
    " competency_title varchar, subject varchar, sequence int, levels_below int, state varchar, expected_share double,"
    " share_low double, share_high double, parts int, parts_worked_on int, parts_with_evidence int, parts_mastered int,"
    " has_stuck_part boolean, has_carried_part boolean, own_state varchar, own_share double",
    "mart_student_carried": "school_id varchar, student_key varchar, competency_id varchar, competency_code varchar,"
    " competency_title varchar, subject varchar, state varchar, expected_share double, share_low double,"
    " share_high double, from_competency_id varchar, from_competency_code varchar, relation varchar, discount double,"
    " state_since_at timestamptz",
    "mart_student_decision": "school_id varchar, student_key varchar, competency_id varchar, decision_id varchar,"
    " decided_at timestamptz, from_state varchar, to_state varchar, counted_attempts int,"
    " model_version varchar, policy_version varchar, data_date date, decided_by varchar, said_by_role varchar,"
    " said_reason varchar, said_until_date date",
    "mart_needs_adult": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, reason varchar, detail varchar,"
    " counted_attempts bigint, expected_share double, last_event_at timestamptz, is_old boolean, blocks int,"
    " gap_competency_id varchar, gap_competency_code varchar, gap_competency_title varchar, gap_share double,"
    " priority int, is_first boolean, override_state varchar, override_date date",
    "mart_review_due": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, counted_attempts bigint,"
    " expected_share double, share_low double, share_high double, last_event_at timestamptz, due_since_at timestamptz,"
    " override_state varchar, override_date date",
    "mart_moves_on": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, mastered_at timestamptz,"
    " expected_share double, share_low double, share_high double,"
    " next_competency_id varchar, next_competency_code varchar, next_competency_title varchar,"
    " is_by_teacher boolean, said_date date",
    "mart_change": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, competency_title varchar, from_state varchar, to_state varchar,"
    " decided_at timestamptz, decision_id varchar, data_date date, kind varchar",
    "mart_class_attention": "school_id varchar, class_id varchar, class_title varchar, subject varchar,"
    " teacher_key varchar, pupils bigint, active_pupils_7d bigint, attempts_7d bigint, mastered_pairs bigint,"
    " developing_pairs bigint, stuck_pupils bigint, ready_pupils bigint, attention_score double,"
    " attention_reason varchar",
    "mart_class_teacher": "school_id varchar, class_id varchar, teacher_key varchar, teaching_since_date date",
    "mart_group_member": "school_id varchar, group_id varchar, student_key varchar, class_id varchar,"
    " class_title varchar, competency_id varchar, competency_code varchar, competency_title varchar, is_member boolean,"
    " is_new boolean, is_locked boolean, left_reason varchar, is_stuck boolean, expected_share double,"
    " group_since_date date, joined_date date",
    "mart_competency_resource": "competency_id varchar, place int, resource_title varchar, resource_url varchar,"
    " kind varchar, minutes int",
    "mart_class_pace": "school_id varchar, class_id varchar, class_title varchar, subject varchar, pupils int,"
    " planned_pairs int, mastered_pairs int, review_due_pairs int, mastered_share double, needed_share double,"
    " needed_by_term_end_share double, needed_a_week double, term_title varchar, term_end_date date, weeks int,"
    " a_week double, outlook varchar, projected_date date, earliest_date date, latest_date date",
    "mart_school_day": "school_id varchar, work_date date, attempts bigint, correct bigint, active_pupils bigint",
    "mart_action_followup": "school_id varchar, action_date date, action varchar, student_key varchar,"
    " competency_id varchar, competency_code varchar, state_before varchar, state_after varchar, has_worked boolean,"
    " outcome varchar, next_answers int, next_right int, comparables int, comparable_share double,"
    " comparable_low double, comparable_high double, comparable_error double",
    "mart_action_school": "school_id varchar, actions int, pupils int, actions_with_work int, pupils_with_work int,"
    " pupils_compared int, share_right double, comparable_share double, difference double, difference_low double,"
    " difference_high double",
    "mart_action_kind": "action varchar, pupils int, pupils_compared int, share_right double, comparable_share double,"
    " difference double, difference_low double, difference_high double",
    "mart_district_competency": "competency_id varchar, competency_code varchar, competency_title varchar,"
    " subject varchar, pupils bigint, mastered_pct_protected varchar, review_due_pct_protected varchar",
    "mart_rollout_school": "pilot_id varchar, school_id varchar, school_name varchar, wave int, pupils_planned bigint,"
    " pupils_reached bigint, dosage_minutes_mean double, dosage_met_share double, milestones_planned bigint,"
    " milestones_done bigint, milestones_late bigint, cost_usd double, cost_per_pupil_usd double",
    "mart_intake_ledger": "received_date date, source_id varchar, org_id varchar, received bigint, accepted bigint,"
    " duplicate bigint, conflict bigint, rejected bigint, quarantined bigint, unexplained bigint",
    "mart_source_freshness": "school_id varchar, source_id varchar, data_date date, days_with_work int,"
    " last_work_date date, days_since_work int, last_event_at timestamptz, is_silent boolean",
    "mart_intake_attribution": "work_date date, source_id varchar, org_id varchar, events bigint, without_pupil bigint,"
    " without_class bigint, without_teacher bigint, attributed bigint",
    "mart_gate_result": "gate varchar, rule_id varchar, scope_type varchar, scope_id varchar, severity varchar,"
    " is_passed boolean, rows_checked bigint, rows_failed bigint, sample_event_ids varchar[], message varchar,"
    " run_at timestamptz, data_date date",
}
