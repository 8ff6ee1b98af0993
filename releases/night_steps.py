"""What each step of a night does. Every step may be run again for its date and ends in the same place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from gates.engine import preload
from releases import learning, store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from gates.run import GateOutcome

SAMPLE = 3


class NightSession:
    """The Spark session that the steps of one process share: started by the first that needs it, stopped at the end.

    A session that was running already (a test's) is used and left running.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._starting: Future[SparkSession] | None = None
        self._is_ours = False

    def __enter__(self) -> NightSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """Start the session, and what mastery needs in it, while the steps before it work."""
        if self._starting is None:
            from pyspark.sql import SparkSession

            self._is_ours = SparkSession.getActiveSession() is None
            with_one_thread = ThreadPoolExecutor(1, thread_name_prefix="spark-start")
            self._starting = with_one_thread.submit(self._start)
            with_one_thread.shutdown(wait=False)

    def _start(self) -> SparkSession:
        from spark_jobs.mastery import PORTION, warm
        from spark_jobs.session import start_session

        is_brief = lake.count_rows(self.settings, "silver.learner_activity") <= PORTION
        session = start_session(self.settings, "cairn-night", is_brief=is_brief)
        warm(session)
        return session

    def spark(self) -> SparkSession:
        """The session, started where it is not running. Raises what starting it raised."""
        self.prepare()
        assert self._starting is not None
        return self._starting.result()

    def stop(self) -> None:
        """Stop the session where this night started it; dbt then has the memory."""
        starting, self._starting = self._starting, None
        if starting is not None and self._is_ours and starting.exception() is None:
            starting.result().stop()


@dataclass
class Night:
    """What steps share: ``state`` is the night's JSON state, which they add to."""

    settings: Settings
    data_date: date
    state: dict[str, Any]
    session: NightSession

    def held_schools(self, steps: Collection[str]) -> list[str]:
        """Schools that the gates of these steps hold back."""
        found = {scope for step in steps for kind, scope in self.state["held"].get(step, ()) if kind == "school"}
        return sorted(found)

    def release(self) -> store.Release:
        """The release that this night built. Raises CairnError where it has not."""
        if not self.state["release_id"]:
            raise CairnError(f"night {self.data_date} has built no release yet: run the step marts")
        return store.get(self.settings, learning.KIND, self.state["release_id"])


def _cut(night: Night) -> str:
    """Note where the topics end now and wait until the lake holds everything before."""
    from cairn.topics import is_passed
    from spark_jobs import intake, intake_state
    from streaming.topics import end_offsets

    try:
        broker = night.settings.address("broker")
    except LookupError as error:
        raise CairnError(str(error)) from None
    cut = end_offsets(broker)
    if not is_passed(intake_state.passed_offsets(night.settings), cut):
        with intake_state.lease(night.settings) as is_free:
            pass
        if is_free:  # no intake service runs: take it in ourselves
            intake.run_once(night.settings, night.session.spark())
    seconds = intake_state.wait_until_passed(night.settings, cut)
    night.state["cut_offsets"] = cut
    total = sum(offset for partitions in cut.values() for offset in partitions.values())
    return f"{total} records, waited {seconds:.0f} s"


def _gate(night: Night, step: str, gate: str) -> str:
    from gates.run import run_gate

    outcome = run_gate(gate, night.settings, night.session.spark, night.data_date)
    return _judge(night, step, gate, outcome)


def _judge(night: Night, step: str, gate: str, outcome: GateOutcome) -> str:
    """Note what the gate holds back. Raises CairnError, which names rule, table and rows, where it stops the night."""
    night.state["held"][step] = sorted([kind, scope] for kind, scope in outcome.held)
    if outcome.is_structural_failure:
        raise CairnError(f"gate {gate}: {_failures(outcome)}")
    if outcome.held:
        # A source's failure, or one of rows that belong to no school, is shown with the schools but hides none.
        return "red for " + ", ".join(f"{kind} {scope}" for kind, scope in sorted(outcome.held))
    return "green" if outcome.is_green else "green with warnings"


def _failures(outcome: GateOutcome) -> str:
    """The structural failures: rule, table, how many rows, a few ids, what to do."""
    bad = [row for row in outcome.results if row["severity"] == "structural" and not row["is_passed"]]
    said = []
    for row in bad[:SAMPLE]:
        ids = ", ".join((row["sample_event_ids"] or [])[:SAMPLE])
        rows = f"{row['rows_failed']} rows" if row["rows_failed"] is not None else "broken"
        said.append(f"{row['rule_id']} on {row['table_name']}: {rows}{f' ({ids})' if ids else ''}: {row['message']}")
    more = f" and {len(bad) - SAMPLE} more" if len(bad) > SAMPLE else ""
    return " | ".join(said) + more


def _mastery(night: Night) -> str:
    from spark_jobs.mastery import update

    done = update(night.session.spark(), night.settings, night.data_date, night.held_schools(["gate_intake"]))
    return f"{done['pairs']} pairs, {done['attempts']} attempts, {done['decisions_changed']} decisions changed"


def _marts(night: Night) -> str:
    night.session.stop()
    # dbt works in a process of its own: the library of the gate after it can load meanwhile.
    threading.Thread(target=preload, name="preload-gates", daemon=True).start()
    # As of now, not of the cut: what a person mended in the roster since must count when the night is resumed.
    as_of = datetime.now(UTC)
    release = learning.build(night.settings, night.data_date, as_of=as_of, cut_offsets=night.state["cut_offsets"])
    night.state["as_of"] = as_of.isoformat()
    night.state["release_id"] = release.release_id
    return f"{release.release_id}: {len(release.tables)} tables, {sum(release.tables.values())} rows"


def _gate_marts(night: Night) -> str:
    outcome = learning.audit(night.settings, night.release())
    return _judge(night, "gate_marts", learning.LAST_GATE, outcome)


def _publish(night: Night) -> str:
    held = [("school", school) for school in night.held_schools(night.state["held"])]
    release = learning.publish(night.settings, night.release(), held)
    return f"{release.release_id} is current"


STEPS: dict[str, Callable[[Night], str]] = {
    "cut": _cut,
    "gate_intake": lambda night: _gate(night, "gate_intake", "bronze_to_silver"),
    "mastery": _mastery,
    "gate_mastery": lambda night: _gate(night, "gate_mastery", "silver_to_mastery"),
    "marts": _marts,
    "gate_marts": _gate_marts,
    "publish": _publish,
}
