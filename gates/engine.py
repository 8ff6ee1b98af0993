"""Great Expectations at work: rules to expectations, their verdicts, and findings that name rows and scopes.

The library takes four seconds to import. It is imported here and in ``docs``, when a gate runs, so that commands which
only name a gate do not pay them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from gates.frames import Frame
from gates.model import HOLDS_SCOPE, WARNING, Finding, Rule


def preload() -> None:
    """Import Great Expectations, for seconds, where they can pass unnoticed."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations.expectations  # noqa: F401  # what is wanted is the import


@dataclass
class Engine:
    """One run's context of Great Expectations: in memory, without analytics, results without values."""

    pages: list[tuple[str, Any]] = field(default_factory=list)
    _context: Any = None
    _source: Any = None
    _runs: int = 0

    @property
    def context(self) -> Any:
        """The ephemeral context, made on first use: importing the library takes seconds."""
        if self._context is None:
            preload()
            import great_expectations as gx
            from great_expectations.data_context.types.base import ProgressBarsConfig

            self._context = gx.get_context(mode="ephemeral")
            self._context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        return self._context

    def verdicts(self, title: str, rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, bool]:
        """Whether each rule holds on the frame. The result keeps no value of any row."""
        import great_expectations as gx
        import great_expectations.expectations as gxe

        if not rules:
            return {}
        self._runs += 1
        name = f"{title} {self._runs}"
        self._source = self._source or self.context.data_sources.add_pandas("pandas")
        batch = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        expectations = [
            getattr(gxe, rule.expectation)(**rule.arguments, meta={"rule_id": rule.rule_id}) for rule in rules
        ]
        suite = self.context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        self.context.validation_definitions.add(definition)
        result = definition.run(batch_parameters={"dataframe": frame}, result_format="BOOLEAN_ONLY")
        self.pages.append((title, result))
        return {one.expectation_config.meta["rule_id"]: bool(one.success) for one in result.results}

    def check(self, frame: Frame, rules: Sequence[Rule], scope: str) -> list[Finding]:
        """Verdicts on a lake frame; where a rule fails, one finding a scope with counts and ids by our own query."""
        if not rules:
            return []
        if frame.is_in_memory:
            verdicts = self.verdicts(frame.table_name, rules, frame.to_pandas())
        else:
            counts = frame.count_bad(rules)
            verdicts = self.verdicts(frame.table_name, [_none_bad(rule) for rule in rules], pd.DataFrame([counts]))
        found = [finding for rule in rules for finding in _findings(frame, rule, verdicts[rule.rule_id], scope)]
        self._note_counts({rule.rule_id: frame.rows for rule in rules}, found)
        return found

    def check_scopes(self, title: str, rule: Rule, rows: Sequence[dict[str, Any]], checked: str) -> list[Finding]:
        """A rule on an aggregated frame of one row a scope (scope_type, scope_id, the number that the rule is about).

        ``checked`` names the column with how many rows stand behind a scope's number.
        """
        column = rule.arguments["column"]
        columns = ["scope_type", "scope_id", column, checked]
        frame = pd.DataFrame([[row.get(name) for name in columns] for row in rows], columns=columns)
        frame[column] = frame[column].astype("float64")
        total = int(frame[checked].sum()) if rows else 0
        is_passed = self.verdicts(title, [rule], frame)[rule.rule_id]
        if is_passed:
            return [Finding(rule.rule_id, title, rule.severity, True, rule.message, rows_checked=total)]
        low = rule.arguments.get("min_value", float("-inf"))
        high = rule.arguments.get("max_value", float("inf"))
        return [
            Finding(
                rule.rule_id,
                title,
                rule.severity,
                False,
                f"{rule.message} ({column.replace('_', ' ')} {row[column]:g})",
                rows_checked=int(row[checked]),
                rows_failed=int(row.get("rows_failed", abs(row[column]))),
                scope_type=row["scope_type"],
                scope_id=row["scope_id"],
                sample_event_ids=tuple(row.get("sample_event_ids") or ()),
            )
            for row in rows
            if not low <= row[column] <= high
        ]

    def _note_counts(self, checked: dict[str, int], found: Sequence[Finding]) -> None:
        """Counts for the Data Docs page: how many rows, how many bad, no list of them."""
        for one in self.pages[-1][1].results:
            rule_id = one.expectation_config.meta["rule_id"]
            bad = sum(finding.rows_failed or 0 for finding in found if finding.rule_id == rule_id)
            rows = checked[rule_id]
            share = 100 * bad / rows if rows else 0.0
            one.result = {"element_count": rows, "unexpected_count": bad, "unexpected_percent": share}


def _none_bad(rule: Rule) -> Rule:
    """The rule on a frame of one row that counts, in a column of the rule's id, the rows that break it."""
    arguments = {"column": rule.rule_id, "value_set": [0]}
    return replace(rule, expectation="ExpectColumnValuesToBeInSet", arguments=arguments)


def _findings(frame: Frame, rule: Rule, is_passed: bool, scope: str) -> list[Finding]:
    base = Finding(rule.rule_id, frame.table_name, rule.severity, True, rule.message, rows_checked=frame.rows)
    if is_passed:
        return [base]
    return [
        Finding(
            rule.rule_id,
            frame.table_name,
            # Rows of no school and no source hold nobody back: they are said.
            WARNING if kind == "all" and rule.severity == HOLDS_SCOPE else rule.severity,
            False,
            rule.message,
            rows_checked=frame.rows,
            rows_failed=number,
            scope_type=kind,
            scope_id=key,
            sample_event_ids=tuple(ids),
        )
        for kind, key, number, ids in frame.failing(rule, scope)
    ]
