"""What a rule is, what it found, and what a gate says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STRUCTURAL = "structural"
HOLDS_SCOPE = "holds_scope"
WARNING = "warning"
SAMPLE_IDS = 20
# Failures, and ids of each, that a one-line message names.
MOST_TOLD = 3


@dataclass(frozen=True)
class Rule:
    """One Great Expectations expectation with what its failure means.

    ``bad_rows`` is a SQL condition that is true for a row that breaks the rule, by which our own query counts and
    names rows: no value ever leaves the engine. ``unique`` are key columns, for a rule
    of uniqueness.
    """

    rule_id: str
    expectation: str
    arguments: Mapping[str, Any]
    severity: str
    message: str
    bad_rows: str = ""
    unique: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What one rule found for one scope: ``school`` or ``source`` with its id, or ``all`` with ``*``."""

    rule_id: str
    table_name: str
    severity: str
    is_passed: bool
    message: str
    rows_checked: int | None = None
    rows_failed: int | None = 0
    scope_type: str = "all"
    scope_id: str = "*"
    sample_event_ids: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """The finding in columns of ops.gate_result."""
        columns = dict(vars(self))
        columns["sample_event_ids"] = list(self.sample_event_ids[:SAMPLE_IDS])
        return columns


@dataclass(frozen=True)
class GateOutcome:
    """What a gate says: green, or which schools and sources it holds back, or that all must stop.

    ``held`` are (scope_type, scope_id); ``results`` the rows written to ops.gate_result.
    """

    is_green: bool
    is_structural_failure: bool
    held: list[tuple[str, str]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, results: list[dict[str, Any]]) -> GateOutcome:
        """The outcome that follows from the results."""
        failed = [row for row in results if not row["is_passed"]]
        held = {(row["scope_type"], row["scope_id"]) for row in failed if row["severity"] == HOLDS_SCOPE}
        return cls(
            is_green=not failed,
            is_structural_failure=any(row["severity"] == STRUCTURAL for row in failed),
            held=sorted(held),
            results=results,
        )

    def structural_failures(self) -> str:
        """What stops everything, in one line: rule, table, how many rows, a few ids, what to do."""
        bad = [row for row in self.results if row["severity"] == STRUCTURAL and not row["is_passed"]]
        said = []
        for row in bad[:MOST_TOLD]:
            ids = ", ".join((row["sample_event_ids"] or [])[:MOST_TOLD])
            rows = f"{row['rows_failed']} rows" if row["rows_failed"] is not None else "broken"
            said.append(
                f"{row['rule_id']} on {row['table_name']}: {rows}{f' ({ids})' if ids else ''}: {row['message']}"
            )
        more = f" and {len(bad) - MOST_TOLD} more" if len(bad) > MOST_TOLD else ""
        gate = f"gate {bad[0]['gate']}: " if bad else ""
        return gate + " | ".join(said) + more
