"""Run a night, or some of its steps, and go on after a failure. Idempotent per data date."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from night import lock
from night import state as states
from night.state import NAMES, NightResult, NightState
from night.steps import STEPS, Night
from night.warmup import SharedSpark
from releases import store
from spark_jobs.spark_errors import spark_errors

OnStep = Callable[[str, str, float], None]


def run(
    settings: Settings, data_date: date, only: Sequence[str] | None = None, on_step: OnStep | None = None
) -> NightResult:
    """The whole night, or only some of its steps in their order; returns ``steps`` and ``release_id``.

    With ``only``, the steps before must have been done for this date; the steps after are to be done again. ``on_step``
    is told (name, running, done or failed, seconds). Raises CairnError, in one line, where a step fails: nothing is
    published then, and ``resume`` goes on from that step.
    """
    wanted = _wanted(only)
    with lock.one_night(settings):
        _refuse_older(settings, data_date)
        if wanted[0] == NAMES[0]:
            state = states.fresh(data_date)
            lock.begin(settings, data_date)
        else:
            state = states.load(settings, data_date)
            lock.refuse_overtaken(settings, data_date)
        states.require_before(state, wanted)
        states.reset(state, wanted[0])
        return _run_steps(settings, state, wanted, on_step)


def resume(settings: Settings, data_date: date, on_step: OnStep | None = None) -> NightResult:
    """Go on from the first step that is not done; a night that is done is left as it is."""
    with lock.one_night(settings):
        state = states.load(settings, data_date)
        left = [step["name"] for step in state["steps"] if step["state"] != "done"]
        if not left:
            return states.result(state)
        _refuse_older(settings, data_date)
        if left[0] == NAMES[0]:
            lock.begin(settings, data_date)
        else:
            lock.refuse_overtaken(settings, data_date)
        return _run_steps(settings, state, tuple(left), on_step)


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


def _run_steps(settings: Settings, state: NightState, names: Sequence[str], on_step: OnStep | None) -> NightResult:
    tell = on_step or (lambda _name, _state, _seconds: None)
    with SharedSpark(settings) as session:
        night = Night(settings, date.fromisoformat(state["data_date"]), state, session)
        for name in names:
            if name == "gate_intake" and "mastery" in names:
                session.prepare()  # Spark starts while the gate works
            step = states.step(state, name)
            step.update(
                {
                    "state": "running",
                    "seconds": 0.0,
                    "detail": "",
                    "error": "",
                    "started_at": datetime.now(UTC).isoformat(),
                }
            )
            states.save(settings, state)
            tell(name, "running", 0.0)
            started = time.monotonic()
            try:
                with spark_errors(settings):
                    detail = STEPS[name](night)
            except BaseException as error:
                seconds = round(time.monotonic() - started, 1)
                said = str(error) if isinstance(error, CairnError) else f"{type(error).__name__} in step {name}"
                step.update({"state": "failed", "seconds": seconds, "error": said})
                states.save(settings, state)
                tell(name, "failed", seconds)
                if isinstance(error, CairnError):
                    raise CairnError(_advice(settings, state, name, said)) from error
                raise
            seconds = round(time.monotonic() - started, 1)
            step.update({"state": "done", "seconds": seconds, "detail": detail})
            states.save(settings, state)
            tell(name, "done", seconds)
    return states.result(state)


def _advice(settings: Settings, state: NightState, name: str, said: str) -> str:
    present = store.current(settings, "learning")
    stays = f"{present.release_id} stays" if present else "no release stands yet"
    day = state["data_date"]
    return (
        f"night {day} stopped at {name}: {said} (nothing was published, {stays}; "
        f"then 'cairn night resume --date {day}', or 'cairn night run --date {day}' "
        "where a roster, framework or facts were loaded since the cut)"
    )
