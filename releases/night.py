"""A night by steps: what ran, how long, from where to resume; idempotent per data date.

The state lies in ``home/nights/<date>.json`` and is written after every step. One night at a time runs on a home.
Steps: cut, gate_intake, mastery, gate_mastery, marts, gate_marts, publish; see :data:`releases.night_steps.STEPS`.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from releases import store
from releases.night_steps import STEPS, Night, NightSession
from spark_jobs.spark_errors import spark_errors

OnStep = Callable[[str, str, float], None]
NAMES = tuple(STEPS)


def default_date(settings: Settings, now: datetime | None = None) -> date:
    """The data date of a night that starts now: yesterday in the district's zone."""
    return (now or datetime.now(UTC)).astimezone(settings.zone).date() - timedelta(days=1)


def run(
    settings: Settings, data_date: date, only: Sequence[str] | None = None, on_step: OnStep | None = None
) -> dict[str, Any]:
    """The whole night, or only some of its steps in their order; returns ``steps`` and ``release_id``.

    With ``only``, the steps before must have been done for this date; the steps after are to be done again. ``on_step``
    is told (name, running, done or failed, seconds). Raises CairnError, in one line, where a step fails: nothing is
    published then, and ``resume`` goes on from that step.
    """
    wanted = _wanted(only)
    with _one_night(settings):
        _refuse_older(settings, data_date)
        state = fresh_state(data_date) if wanted[0] == NAMES[0] else _load(settings, data_date)
        _require_before(state, wanted)
        for name in NAMES[NAMES.index(wanted[0]) :]:
            _step(state, name).update(state="pending", seconds=0.0, detail="", error="")
            state["held"].pop(name, None)
        return _run_steps(settings, state, wanted, on_step)


def resume(settings: Settings, data_date: date, on_step: OnStep | None = None) -> dict[str, Any]:
    """Go on from the first step that is not done; a night that is done is left as it is."""
    with _one_night(settings):
        state = _load(settings, data_date)
        left = [step["name"] for step in state["steps"] if step["state"] != "done"]
        if not left:
            return _result(state)
        _refuse_older(settings, data_date)
        return _run_steps(settings, state, tuple(left), on_step)


def status(settings: Settings, data_date: date | None = None) -> dict[str, Any]:
    """What a night did: ``data_date``, ``state``, ``steps``, ``release_id``, ``held``. The newest by default.

    A night whose process died in a step shows that step as failed.
    """
    if data_date is None:
        known = sorted(settings.night_dir.glob("????-??-??.json"))
        if not known:
            raise CairnError("no night has run yet: start one with 'cairn night run'")
        data_date = date.fromisoformat(known[-1].stem)
    state = _load(settings, data_date)
    running = [step for step in state["steps"] if step["state"] == "running"]
    if running and not _is_running(settings):
        for step in running:
            step.update(state="failed", error="the process ended in this step: run 'cairn night resume'")
    return {**_result(state), "held": _held(state), "started_at": state["started_at"]}


def _wanted(only: Sequence[str] | None) -> tuple[str, ...]:
    if not only:
        return NAMES
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise UsageError(f"no step {', '.join(unknown)}: steps are {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in only)


def _refuse_older(settings: Settings, data_date: date) -> None:
    present = store.current(settings, "learning")
    if present and present.data_date > data_date:
        raise CairnError(
            f"night {data_date} lies before {present.release_id}, which is published: mastery does not go back; "
            f"run the night of {present.data_date} or later"
        )


def fresh_state(data_date: date) -> dict[str, Any]:
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


def _path(settings: Settings, data_date: date | str) -> Path:
    return settings.night_dir / f"{data_date}.json"


def _load(settings: Settings, data_date: date) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(_path(settings, data_date).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CairnError(f"no night of {data_date} yet: start it with 'cairn night run --date {data_date}'") from None
    return state


def _step(state: dict[str, Any], name: str) -> dict[str, Any]:
    step: dict[str, Any] = next(step for step in state["steps"] if step["name"] == name)
    return step


def _require_before(state: dict[str, Any], wanted: Sequence[str]) -> None:
    missing = [
        name
        for name in NAMES[: NAMES.index(wanted[-1])]
        if name not in wanted and _step(state, name)["state"] != "done"
    ]
    if missing:
        raise CairnError(
            f"night {state['data_date']}: {missing[0]} is not done, and {wanted[-1]} needs it: "
            f"run 'cairn night run --date {state['data_date']} --only {','.join([*missing, *wanted])}'"
        )


def _run_steps(
    settings: Settings, state: dict[str, Any], names: Sequence[str], on_step: OnStep | None
) -> dict[str, Any]:
    tell = on_step or (lambda _name, _state, _seconds: None)
    path = _path(settings, state["data_date"])
    with NightSession(settings) as session:
        night = Night(settings, date.fromisoformat(state["data_date"]), state, session)
        for name in names:
            if name == "gate_intake" and "mastery" in names:
                session.prepare()  # Spark starts while the gate works
            step = _step(state, name)
            step.update(state="running", seconds=0.0, detail="", error="", started_at=datetime.now(UTC).isoformat())
            store.write_json(path, state)
            tell(name, "running", 0.0)
            started = time.monotonic()
            try:
                with spark_errors(settings):
                    detail = STEPS[name](night)
            except BaseException as error:
                seconds = round(time.monotonic() - started, 1)
                said = str(error) if isinstance(error, CairnError) else f"{type(error).__name__} in step {name}"
                step.update(state="failed", seconds=seconds, error=said)
                store.write_json(path, state)
                tell(name, "failed", seconds)
                if isinstance(error, CairnError):
                    raise CairnError(_advice(settings, state, name, said)) from error
                raise
            seconds = round(time.monotonic() - started, 1)
            step.update(state="done", seconds=seconds, detail=detail)
            store.write_json(path, state)
            tell(name, "done", seconds)
    return _result(state)


def _advice(settings: Settings, state: dict[str, Any], name: str, said: str) -> str:
    present = store.current(settings, "learning")
    stays = f"{present.release_id} stays" if present else "no release stands yet"
    return (
        f"night {state['data_date']} stopped at {name}: {said} (nothing was published, {stays}; "
        f"then 'cairn night resume --date {state['data_date']}')"
    )


def _held(state: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted({(str(kind), str(scope)) for scopes in state["held"].values() for kind, scope in scopes})


def _result(state: dict[str, Any]) -> dict[str, Any]:
    states = [step["state"] for step in state["steps"]]
    overall = next((one for one in ("failed", "running") if one in states), None)
    return {
        "data_date": state["data_date"],
        "steps": state["steps"],
        "release_id": state["release_id"],
        "state": overall or ("done" if set(states) == {"done"} else "pending"),
    }


@contextmanager
def _one_night(settings: Settings) -> Iterator[None]:
    settings.night_dir.mkdir(parents=True, exist_ok=True)
    with (settings.night_dir / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CairnError("another night is running: see 'cairn night status' and wait for it") from None
        yield


def _is_running(settings: Settings) -> bool:
    lock = settings.night_dir / ".lock"
    if not lock.exists():
        return False
    with lock.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
