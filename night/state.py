"""What a night has done: ``home/nights/<date>.json``, written after every step."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NotRequired, TypedDict

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import store

# The steps of a night in their order; night.steps says what each does.
NAMES = ("cut", "gate_intake", "mastery", "gate_mastery", "marts", "gate_marts", "publish")


class StepState(TypedDict):
    """One step: ``state`` is pending, running, done or failed; ``error`` is one line, empty where it did not fail."""

    name: str
    state: str
    seconds: float
    detail: str
    error: str
    started_at: NotRequired[str]


class NightState(TypedDict):
    """A night. ``as_of`` is the instant of its cut (ISO 8601), as of which every later step reads two-time tables.

    ``held`` has, by gate step, the scopes (type, id) that the gate holds back; ``cut_offsets`` are topic, partition,
    next offset.
    """

    data_date: str
    started_at: str
    release_id: str | None
    as_of: str | None
    cut_offsets: dict[str, dict[str, int]]
    held: dict[str, list[list[str]]]
    steps: list[StepState]


class NightResult(TypedDict):
    """What a command shows of a night."""

    data_date: str
    steps: list[StepState]
    release_id: str | None
    state: str
    held: list[tuple[str, str]]
    started_at: str


def fresh(data_date: date) -> NightState:
    """The state of a night of which nothing is done."""
    return {
        "data_date": data_date.isoformat(),
        "started_at": datetime.now(UTC).isoformat(),
        "release_id": None,
        "as_of": None,
        "cut_offsets": {},
        "held": {},
        "steps": [{"name": name, "state": "pending", "seconds": 0.0, "detail": "", "error": ""} for name in NAMES],
    }


def path(settings: Settings, data_date: date | str) -> Path:
    """Where the state of a night lies."""
    return settings.night_dir / f"{data_date}.json"


def load(settings: Settings, data_date: date) -> NightState:
    """The state of a night. Raises CairnError where there was none."""
    try:
        state: NightState = json.loads(path(settings, data_date).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CairnError(f"no night of {data_date} yet: start it with 'cairn night run --date {data_date}'") from None
    return state


def save(settings: Settings, state: NightState) -> None:
    """Write the state so that a reader sees the old or the new one."""
    store.write_json(path(settings, state["data_date"]), state)


def newest_date(settings: Settings) -> date:
    """The newest data date of which a night ran. Raises CairnError before the first."""
    known = sorted(settings.night_dir.glob("????-??-??.json"))
    if not known:
        raise CairnError("no night has run yet: start one with 'cairn night run'")
    return date.fromisoformat(known[-1].stem)


def step(state: NightState, name: str) -> StepState:
    """One step's part of the state."""
    return next(step for step in state["steps"] if step["name"] == name)


def reset(state: NightState, first: str) -> None:
    """Mark a step and all after it as still to do, and forget what they held back."""
    for name in NAMES[NAMES.index(first) :]:
        step(state, name).update({"state": "pending", "seconds": 0.0, "detail": "", "error": ""})
        state["held"].pop(name, None)


def require_before(state: NightState, wanted: Sequence[str]) -> None:
    """Raise CairnError where a step before the last wanted one is neither done nor wanted."""
    missing = [
        name for name in NAMES[: NAMES.index(wanted[-1])] if name not in wanted and step(state, name)["state"] != "done"
    ]
    if missing:
        raise CairnError(
            f"night {state['data_date']}: {missing[0]} is not done, and {wanted[-1]} needs it: "
            f"run 'cairn night run --date {state['data_date']} --only {','.join([*missing, *wanted])}'"
        )


def held_scopes(state: NightState, steps: Collection[str] = NAMES) -> list[tuple[str, str]]:
    """Scopes (type, id) that the gates of these steps hold back, each once."""
    return sorted({(kind, scope) for name in steps for kind, scope in state["held"].get(name, ())})


def held_schools(state: NightState, steps: Collection[str] = NAMES) -> list[str]:
    """Schools among them."""
    return [scope for kind, scope in held_scopes(state, steps) if kind == "school"]


def result(state: NightState) -> NightResult:
    """What a command shows."""
    states = [one["state"] for one in state["steps"]]
    overall = next((one for one in ("failed", "running") if one in states), None)
    return {
        "data_date": state["data_date"],
        "steps": state["steps"],
        "release_id": state["release_id"],
        "state": overall or ("done" if set(states) == {"done"} else "pending"),
        "held": held_scopes(state),
        "started_at": state["started_at"],
    }
