"""Spark: intake, roster, competencies, assessments, facts, mastery, upkeep of the lake."""
