"""The gate before an evaluation is published: every pilot's scorecard, told by the plan, within its own bounds.

Each rule holds for the whole evaluation and stops it: a board reads the pilots beside each other, and the former
evaluation stays in place until the fault is mended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from cairn.errors import CairnError
from cairn.privacy import smallest_group
from cairn.settings import Settings
from gates.engine import Engine
from gates.model import STRUCTURAL, Finding, Rule
from pilots.decision import DECISIONS

CARDS, RESULTS = "pilot_scorecard", "pilot_result"
MOST_NAMED = 3
# Of an estimate against its bounds, for rounding.
SLACK = 1e-9


def check(
    engine: Engine,
    settings: Settings,
    warehouse: Path | None = None,
    plans: Mapping[str, str] | None = None,
    learning_release_id: str = "",
) -> list[Finding]:
    """Every rule of the gate on the built evaluation.

    ``plans`` are pilot to hash of its frozen plan, ``learning_release_id`` the learning release that readers see now.
    Raises CairnError where there is no file.
    """
    if warehouse is None or not warehouse.is_file():
        raise CairnError("gate before_evaluation: no built file: run 'cairn marts publish --kind evaluation'")
    n_min = smallest_group(settings)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(f"select pilot_id, plan_hash, scorecard_json from {CARDS}").fetchall()
        crossed, small = _crossed(connection), _small_in_rollout(connection, n_min)
        other_base = connection.execute(
            f"select distinct pilot_id from {RESULTS} where release_id <> ? order by 1", [learning_release_id]
        ).fetchall()
    cards = {pilot_id: json.loads(text) for pilot_id, _, text in rows}
    wanted = set((plans or {}).items())
    told = {(pilot_id, plan_hash) for pilot_id, plan_hash, _ in rows}
    bad: dict[str, tuple[str, list[str]]] = {
        "every_plan": (
            "a frozen plan has no scorecard of its own hash: run 'cairn marts publish --kind evaluation' again",
            sorted({pilot_id for pilot_id, _ in wanted ^ told}),
        ),
        "told": (
            "a scorecard has neither a recommendation nor a named failure: see 'cairn pilots evaluate ID'",
            _where(cards, lambda card: not card.get("recommendation") and not card.get("failure")),
        ),
        "decision": (
            f"a recommendation is none of {', '.join(DECISIONS)}: see pilots/decision.py",
            _where(cards, lambda card: bool(card.get("recommendation")) and card["recommendation"] not in DECISIONS),
        ),
        "interval": ("an estimate lies outside its own interval: see pilots/analysis.py", crossed),
        "small_groups": (
            f"numbers of a school with fewer than {n_min} pupils are shown: see releases/scorecards.py",
            sorted(
                {
                    *small,
                    *_where(cards, lambda card: any(_shows_too_much(one, n_min) for one in card.get("schools") or ())),
                }
            ),
        ),
        "learning_release": (
            f"a result does not rest on {learning_release_id}, the current learning release: evaluate again",
            sorted(
                {
                    *(pilot for (pilot,) in other_base),
                    *_where(cards, lambda card: card.get("release_id") != learning_release_id),
                }
            ),
        ),
    }
    return [_finding(engine, name, message, found, len(cards)) for name, (message, found) in bad.items()]


def _where(cards: Mapping[str, Mapping[str, Any]], is_bad: Callable[[Mapping[str, Any]], bool]) -> list[str]:
    return sorted(pilot_id for pilot_id, card in cards.items() if is_bad(card))


def is_crossed(value: float | None, low: float | None, high: float | None) -> bool:
    """Whether an estimate is no number, or has bounds that are the wrong way round, half missing or do not hold it."""
    if any(one is not None and not math.isfinite(one) for one in (value, low, high)) or (low is None) != (high is None):
        return True
    if low is None or high is None:
        return False
    return low > high or (value is not None and not low - SLACK <= value <= high + SLACK)


def _crossed(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Pilots with an estimate that its own bounds do not hold."""
    rows = connection.execute(f"select pilot_id, value, low, high from {RESULTS}").fetchall()
    return sorted({pilot for pilot, *numbers in rows if is_crossed(*numbers)})


def _small_in_rollout(connection: duckdb.DuckDBPyConnection, n_min: int) -> list[str]:
    """Pilots with a school in the rollout whose few pupils are counted out."""
    rows = connection.execute(
        "select distinct pilot_id from rollout_school where pupils_planned > 0 and pupils_planned < ?"
        " or (pupils_planned is null and (pupils_reached is not null or dosage_minutes_mean is not null)) order by 1",
        [n_min],
    ).fetchall()
    return [pilot for (pilot,) in rows]


def _shows_too_much(school: Mapping[str, Any], n_min: int) -> bool:
    """Whether a small school's size or means are there."""
    pupils = school.get("pupils")
    if pupils is not None:
        return bool(0 < pupils < n_min)
    return school.get("mean_baseline") is not None or school.get("mean_outcome") is not None


def _finding(engine: Engine, name: str, message: str, bad: list[str], checked: int) -> Finding:
    rule = Rule(
        f"evaluation.{name}",
        "ExpectColumnValuesToBeBetween",
        {"column": "pilots", "min_value": 0, "max_value": 0},
        STRUCTURAL,
        f"{message} (pilots: {', '.join(bad[:MOST_NAMED])})" if bad else message,
    )
    row = {"scope_type": "all", "scope_id": "*", "pilots": len(bad), "cards": checked}
    (finding,) = engine.check_scopes(f"evaluation {name}", rule, [row], "cards")
    return finding
