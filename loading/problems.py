"""Rows that were refused, as a result shows them: the first few, by file and line, without a value."""

from __future__ import annotations

from collections.abc import Sequence

from cairn.rostering.tabular import Problem

PROBLEMS_SHOWN = 20


def shown(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """The first refused rows, and the first warnings."""
    return {
        "problems": [str(problem) for problem in problems if problem.is_rejected][:PROBLEMS_SHOWN],
        "warnings": [str(problem) for problem in problems if not problem.is_rejected][:PROBLEMS_SHOWN],
    }
