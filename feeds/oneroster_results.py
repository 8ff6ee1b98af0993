"""The results of a OneRoster package and their learning objectives, by the column: a school has thousands."""

from __future__ import annotations

import hashlib
import uuid
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from answers import wording
from feeds.classes import ByClass
from feeds.feed_file import Values, joined, joined_lines, local_times, mapped, quoted

Cells = tuple[str, ...]
# Bulk files leave status and dateLastModified empty.
BULK = ("", "")


def own_id(*parts: str) -> str:
    """A sourcedId of our own: the same for the same thing every night, whatever characters the parts hold."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def objective(competency_id: str) -> Cells:
    """Source and identifier of a learning objective: CASE identifiers are UUIDs, others are not said to be CASE's."""
    try:
        return "case", uuid.UUID(competency_id).urn
    except ValueError:
        return "unknown", competency_id


def result_texts(rows: pa.Table, by_class: ByClass, zone: ZoneInfo) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Lines of the files results and resultLearningObjectiveIds, by class.

    ``rows``: a standing with the ``sourced_id`` of each pupil and the ``item``, the line item's.
    """
    is_enough = pc.and_(pc.not_equal(rows["state"], "not_enough_evidence"), rows["expected_share"].is_valid())
    ids = _ids("result", joined(rows["item"], rows["sourced_id"]))
    scores = mapped(pc.if_else(is_enough, rows["expected_share"], None), _score)
    states, class_ids = mapped(rows["state"], _cell), mapped(rows["class_id"], _cell)
    at = local_times(pc.coalesce(rows["last_event_at"], rows["state_since_at"]), zone)
    lines = joined_lines(
        [
            *(ids, *BULK, rows["item"], mapped(rows["sourced_id"], _cell)),
            *(pc.if_else(is_enough, "fully graded", "partially graded"), scores),
            *(at.cast(pa.date32(), safe=False).cast(pa.string()), mapped(rows["override_state"], _comment), states),
            *(class_ids, pc.if_else(pc.equal(rows["state"], "mastered"), "false", "true")),
            *(pc.if_else(is_enough, "false", "true"), "false", "false"),
        ]
    )
    scored_ids, objectives = ids.filter(is_enough), mapped(rows["competency_id"], _objective_cells)
    told = [_ids("objective of", scored_ids), *BULK, scored_ids]
    told += [one.filter(is_enough) for one in (objectives, scores, states)]
    scored = ByClass.of(rows["class_id"].filter(is_enough))
    return by_class.joined(lines), scored.joined(joined_lines(told))


def _ids(kind: str, keys: Values) -> pa.Array:
    """A sourcedId of our own for each key."""
    return pa.array([own_id(kind, key) for key in keys.to_pylist()], pa.string())


def _score(share: float | None) -> str:
    """The expected share right as percent; empty where there is not enough evidence."""
    return "" if share is None else f"{100 * share:.1f}"


def _comment(override_state: str | None) -> str:
    said = wording.SAID.get(override_state or "")
    return _cell(f"A teacher said: {said}") if said else ""


def _cell(value: str) -> str:
    return quoted([value])[0]


def _objective_cells(competency_id: str) -> str:
    return ",".join(quoted(objective(competency_id)))
