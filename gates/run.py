"""Run a gate: rules, results as rows, Data Docs; and the outcome that the night acts on."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

import lake
from cairn.errors import UsageError
from cairn.settings import Settings
from gates import before_evaluation, before_publication, before_publish, bronze_to_silver, docs, silver_to_mastery
from gates.engine import Engine
from gates.model import Finding, GateOutcome

__all__ = ["GATES", "GateOutcome", "run_gate"]

GATES = ("bronze_to_silver", "silver_to_mastery", "before_publish", "before_evaluation", "before_publication")


def run_gate(gate: str, settings: Settings, data_date: date, **context: Any) -> GateOutcome:
    """Run one gate for the night of ``data_date``; writes ops.gate_result and Data Docs.

    The two gates before a release want the built file as ``warehouse=path``, that before a publication what its audit
    found; what else they take is in their ``check``. Raises UsageError for an unknown gate.
    """
    engine = Engine()
    run_at = datetime.now(UTC)
    if gate == "bronze_to_silver":
        found = bronze_to_silver.check(engine, settings, data_date)
    elif gate == "silver_to_mastery":
        found = silver_to_mastery.check(engine, settings, data_date)
    elif gate == "before_publish":
        found = before_publish.check(engine, settings, data_date, **context)
    elif gate == "before_evaluation":
        found = before_evaluation.check(engine, settings, **context)
    elif gate == "before_publication":
        found = before_publication.check(engine, **context)
    else:
        raise UsageError(f"no gate {gate!r}: gates are {', '.join(GATES)}")
    rows = _rows(gate, data_date, run_at, found)
    lake.append(settings, "ops.gate_result", rows)
    if engine.pages:
        docs.write(settings, gate, data_date, engine.pages)
    return GateOutcome.of(rows)


def _rows(gate: str, data_date: date, run_at: datetime, found: list[Finding]) -> list[dict[str, Any]]:
    stamp = {"gate_run_id": str(uuid.uuid4()), "gate": gate, "data_date": data_date, "run_at": run_at}
    return [finding.row() | stamp for finding in found]
