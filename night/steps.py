"""What each step of a night does. Every step may be run again for its date and ends in the same place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import is_passed
from gates.model import GateOutcome
from gates.run import run_gate
from identity.disclosure_log import move_disclosures
from night import erasure
from night import state as states
from night.state import NightState
from night.warmup import SharedSpark, preload_gates
from releases import learning, publications, store
from spark_jobs import intake, intake_state, mastery
from streaming import topics


@dataclass
class Night:
    """What steps share: ``state`` is the night's JSON state, which they add to."""

    settings: Settings
    data_date: date
    state: NightState
    session: SharedSpark

    def release(self) -> store.Release:
        """The release that this night built. Raises CairnError where it has not."""
        if not self.state["release_id"]:
            raise CairnError(f"night {self.data_date} has built no release yet: run the step marts")
        return store.get(self.settings, learning.KIND, self.state["release_id"])

    def as_of(self) -> datetime:
        """The instant of the cut. Raises CairnError where the night has made none."""
        if not self.state["as_of"]:
            raise CairnError(
                f"night {self.data_date} has no cut: start it with 'cairn night run --date {self.data_date}'"
            )
        return datetime.fromisoformat(self.state["as_of"])


def _cut(night: Night) -> str:
    """Note the instant and where the topics end, and wait until the lake holds everything before."""
    try:
        cut = topics.end_offsets(night.settings)
    except LookupError as error:
        raise CairnError(str(error)) from None
    night.state["as_of"] = datetime.now(UTC).isoformat()
    if not is_passed(intake_state.passed_offsets(night.settings), cut):
        with intake_state.lease(night.settings) as is_free:
            pass
        if is_free:  # no intake service runs: take it in ourselves
            intake.run_once(night.settings, night.session.spark())
    seconds = intake_state.wait_until_passed(night.settings, cut)
    # A backup that was restored may hold people who were erased since: first they go.
    again = erasure.replay_within_night(night.settings)
    topics.trim(night.settings, intake_state.passed_offsets(night.settings))
    night.state["cut_offsets"] = cut
    total = sum(offset for partitions in cut.values() for offset in partitions.values())
    return f"{total} records, waited {seconds:.0f} s" + (f"; {again} erasures gone through again" if again else "")


def _gate(night: Night, step: str, gate: str) -> str:
    return _judge(night, step, run_gate(gate, night.settings, night.data_date))


def _judge(night: Night, step: str, outcome: GateOutcome) -> str:
    """Note what the gate holds back. Raises CairnError, which names rule, table and rows, where it stops the night."""
    night.state["held"][step] = sorted([kind, scope] for kind, scope in outcome.held)
    if outcome.is_structural_failure:
        raise CairnError(outcome.structural_failures())
    if outcome.held:
        # A source's failure, or one of rows that belong to no school, is shown with the schools but hides none.
        return "red for " + ", ".join(f"{kind} {scope}" for kind, scope in sorted(outcome.held))
    return "green" if outcome.is_green else "green with warnings"


def _mastery(night: Night) -> str:
    held = states.held_schools(night.state, ["gate_intake"])
    done = mastery.update(night.session.spark(), night.settings, night.data_date, held)
    # What could not be read stays as it was, and so do the schools whose pupils it holds.
    night.state["held"]["mastery"] = [["school", school] for school in done["held_schools"]]
    if "superseded_by" in done:
        return f"left alone: gold already stands at night {done['superseded_by']}"
    said = f"{done['pairs']} pairs, {done['attempts']} attempts, {done['decisions_changed']} decisions changed"
    return "; ".join([said, *(f"rebuilt {one}" for one in done["healed"]), *done["unreadable"]])


def _marts(night: Night) -> str:
    night.session.stop()
    preload_gates()
    release = learning.build(
        night.settings, night.data_date, as_of=night.as_of(), cut_offsets=night.state["cut_offsets"]
    )
    night.state["release_id"] = release.release_id
    return f"{release.release_id}: {len(release.tables)} tables, {sum(release.tables.values())} rows"


def _gate_marts(night: Night) -> str:
    """Hold back what the gates before cover, and audit the file that would be published, until both agree."""
    before = states.held_schools(night.state, ["gate_intake", "mastery", "gate_mastery"])
    return _judge(night, "gate_marts", learning.audit(night.settings, night.release(), before))


def _publish(night: Night) -> str:
    release = learning.publish(night.settings, night.release())
    moved = move_disclosures(night.settings)
    numbers = publications.after_release(night.settings, learning.KIND)
    return f"{release.release_id} is current; {moved} disclosures moved to the lake; {numbers}"


STEPS: dict[str, Callable[[Night], str]] = {
    "cut": _cut,
    "gate_intake": lambda night: _gate(night, "gate_intake", "bronze_to_silver"),
    "mastery": _mastery,
    "gate_mastery": lambda night: _gate(night, "gate_mastery", "silver_to_mastery"),
    "marts": _marts,
    "gate_marts": _gate_marts,
    "publish": _publish,
}
