"""The gate before numbers are published: what the attacker's audit found, a rule for each of her ways.

A red gate holds up the publication alone: the release stands, and so does the publication before.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairn.protection.audit import ATTACKS, EARLIER, MARGINS, ROUNDING, SUBTRACTION
from gates.engine import Engine
from gates.model import WARNING, Finding, Rule

MESSAGES = {
    ROUNDING: "a percentage and its base give back few pupils",
    MARGINS: "totals give back few pupils",
    SUBTRACTION: "two pages, subtracted, give back few pupils",
    EARLIER: "an earlier publication, subtracted, gives back few pupils",
}
WHAT_TO_DO = "the earlier publication stands; see 'cairn publications check'"
MOST_NAMED = 3


def check(engine: Engine, failures: Sequence[tuple[str, str, str]] = (), cells: int = 0) -> list[Finding]:
    """A finding for each way of attack; ``failures`` are (way, cell, why), ``cells`` how many were looked at."""
    found = []
    for attack in ATTACKS:
        bad = [cell for way, cell, _ in failures if way == attack]
        named = ", ".join(bad[:MOST_NAMED]) + (f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else "")
        message = f"{MESSAGES[attack]} ({named}): {WHAT_TO_DO}" if bad else MESSAGES[attack]
        rule = Rule(
            f"publication.{attack}",
            "ExpectColumnValuesToBeBetween",
            {"column": "cells_failed", "min_value": 0, "max_value": 0},
            WARNING,
            message,
        )
        row = {"scope_type": "all", "scope_id": "*", "cells_failed": len(bad), "cells": cells}
        found += engine.check_scopes(f"publication {attack}", rule, [row], "cells")
    return found
