"""How well the lake's responses on one framework can be predicted: some pupils teach the model, others judge it.

Mastery is judged on the evidence that counts, by the rule that nights use; all scored responses are what an intake of
research data is held against.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.evidence.times import microseconds
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import FloatArray
from cairn.mastery.config import EvidenceRule, load_config
from cairn.mastery.follow_up import after_mastery
from cairn.mastery.judged import are_judged, is_judged
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.predictors import BktRule, evaluate
from cairn.mastery.rapid import RapidLimits
from cairn.mastery.resolve import EVENT_COLUMNS, SILVER_COLUMNS, events_of, resolve, standing
from cairn.mastery.responses import Entries, Responses, from_entries, item_names
from cairn.mastery.share.model import on, rapid_limits
from cairn.mastery.trial import Side
from cairn.privacy import smallest_group
from cairn.settings import Settings
from spark_jobs import evidence_sources, night_record
from spark_jobs.evidence import CODED_SILVER, CODED_WAITING, waiting_keys
from spark_jobs.evidence_sources import SILVER
from spark_jobs.mastery_bucket import current_evidence
from spark_jobs.mastery_model import model_in_use
from spark_jobs.night_record import EVIDENCE, WAITING

MINIMUM_STUDENTS = 10
# Later than any work.
ALL_TIME = datetime(2200, 1, 1, tzinfo=UTC)


_TEXT = pa.dictionary(pa.int32(), pa.string())
_NARROW = pa.schema(
    [
        ("student_key", _TEXT),
        ("competency_id", _TEXT),
        ("item_id", _TEXT),
        ("event_id", pa.string()),
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("work_date", pa.date32()),
        ("activity_type", _TEXT),
        ("hints", pa.int32()),
        ("duration_ms", pa.int64()),
        ("correct", pa.float64()),
    ]
)
_CODED = ("student_key", "competency_id", "item_id", "activity_type")
_NOTHING = _NARROW.empty_table()


def next_response_accuracy(
    settings: Settings, framework: str, model: str, rule: BktRule, plot: Path | None = None
) -> dict[str, Any]:
    """Next-response metrics over all scored responses of a framework, practice included.

    The framework's competencies are named by id, or by code or title of its top; those responses count too that no
    night has looked at yet. Parameters come from four fifths of the pupils and are judged on the others; a response
    with several competencies is predicted once. Returns what :func:`cairn.mastery.predictors.evaluate` returns, and
    seconds. Raises CairnError where the framework is unknown or too small.
    """
    started = time.perf_counter()
    counts_by = load_config(settings).evidence
    table = _scored(settings, framework, counts_by)
    train, test = _split(_responses(table, _items_of_skills(table), counts_by), framework)
    return {**evaluate(train, test, model, rule, plot), "seconds": round(time.perf_counter() - started, 3)}


def mastery_accuracy(
    settings: Settings, framework: str, model: str, rule: BktRule, plot: Path | None = None, *, has_policy: bool = False
) -> dict[str, Any]:
    """As :func:`next_response_accuracy`, on the evidence that counts by the district's rule, as nights judge it.

    ``has_policy`` adds what followed a call of mastered (:func:`cairn.mastery.follow_up.after_mastery`);
    counted_of_scored_pct says how much of what was scored counts. Of the share model, model_in_use tells how the
    version that nights use does on the same pupils, whom it was not fitted on; None before there is one.
    """
    started = time.perf_counter()
    config = load_config(settings)
    policy = config.in_force_now().policy
    table = _scored(settings, framework, config.evidence)
    counted = arrow.counted_rows(table, config.evidence, limits_in_use(settings, config.evidence))
    train, test = _split(_responses(counted, item_names(counted), config.evidence), framework)
    found = evaluate(train, test, model, rule, plot)
    if has_policy:
        spacing, smallest = config.evidence.spacing_seconds, smallest_group(settings)
        found |= after_mastery(train, test, model, rule, policy, spacing, smallest)
    if model == "share":
        found["model_in_use"] = _of_model_in_use(settings, test, policy)
    share = 100.0 * counted.num_rows / max(1, table.num_rows)
    return {**found, "counted_of_scored_pct": round(share, 1), "seconds": round(time.perf_counter() - started, 3)}


def _of_model_in_use(settings: Settings, test: Responses, policy: SharePolicy) -> dict[str, Any] | None:
    """log_loss: of answers that follow others of their pair; promised, correct: of the next answer at the first call of
    each pair; None where nothing follows."""
    model = model_in_use(settings)
    if model is None:
        return None
    side = Side.of(on(model, test), test, policy)
    return {
        "model_version": model.version,
        "responses": int(side.surprise.size),
        "log_loss": _mean(side.surprise),
        "mastered_pairs_with_next": int(side.came.size),
        "promised": _mean(side.promised),
        "correct": _mean(side.came),
    }


def limits_in_use(settings: Settings, rule: EvidenceRule) -> RapidLimits:
    """The limits for rapid guesses that nights count by."""
    return rapid_limits(rule, model_in_use(settings))


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None


def counted_responses(settings: Settings, framework: str) -> Responses:
    """The evidence on a framework's competencies that counts. Raises CairnError where there is no such framework."""
    return counted_of(settings, frozenset(_competencies(settings, framework)))


def counted_of(settings: Settings, competencies: frozenset[str], *, is_judged_only: bool = False) -> Responses:
    """The evidence on some competencies that counts; only of the pupils whom evaluations judge by where asked for."""
    rule = load_config(settings).evidence
    table = _of(settings, competencies, rule, is_judged_only=is_judged_only)
    counted = arrow.counted_rows(table, rule, limits_in_use(settings, rule))
    return _responses(counted, item_names(counted), rule)


def counted_history(settings: Settings, as_of: datetime) -> Responses:
    """The district's own history: the evidence on all competencies that counts, of work before an instant.

    Raises CairnError where there is none.
    """
    rule = load_config(settings).evidence
    known = lake.read(settings, "silver.competency", ["competency_id"])["competency_id"].to_pylist()
    table = _of(settings, frozenset(known), rule)
    table = table.filter(pc.less(table["event_time"], pa.scalar(as_of, pa.timestamp("us", tz="UTC"))))
    counted = arrow.counted_rows(table, rule, limits_in_use(settings, rule))
    if not counted.num_rows:
        raise CairnError(
            f"the lake has no counted evidence of before {as_of.isoformat()}: load the roster and its activity first,"
            " or give --responses FILE"
        )
    return _responses(counted, item_names(counted), rule)


def _scored(settings: Settings, framework: str, rule: EvidenceRule) -> pa.Table:
    """The framework's scored responses, one row an event, pupil and competency."""
    return _of(settings, frozenset(_competencies(settings, framework)), rule)


def _of(
    settings: Settings, competencies: frozenset[str], rule: EvidenceRule, *, is_judged_only: bool = False
) -> pa.Table:
    """Scored responses on some competencies, one row an event, pupil and competency."""
    parts = [_NOTHING]
    for table in _evidence(settings):
        chosen = table.filter(pa.array(are_judged(table["student_key"]))) if is_judged_only else table
        parts.append(_narrow(chosen, competencies, rule))
    return _once(pa.concat_tables(parts).unify_dictionaries())


def _split(data: Responses, framework: str) -> tuple[Responses, Responses]:
    """(to learn from, to judge by). Raises CairnError where there are too few pupils."""
    if len(data.users) < MINIMUM_STUDENTS:
        raise CairnError(
            f"framework {framework!r} has responses of {len(data.users)} linked pupils, {MINIMUM_STUDENTS} are needed:"
            " load the roster and its activity first"
        )
    is_test = np.array([is_judged(name) for name in data.users], dtype=bool)[data.user]
    return data.of(~is_test), data.of(is_test)


def _competencies(settings: Settings, framework: str) -> list[str]:
    """Ids of the framework's competencies. Raises CairnError where no framework goes by that name."""
    columns = ["competency_id", "framework_id", "code", "title", "is_leaf"]
    known = lake.read(settings, "silver.competency", columns, pc.field("recorded_to").is_null())
    is_top = pc.invert(pc.field("is_leaf")) & ((pc.field("code") == framework) | (pc.field("title") == framework))
    named = known.filter((pc.field("framework_id") == framework) | is_top)
    ids = pc.unique(named["framework_id"])
    if not len(ids):
        have = sorted(pc.unique(known["framework_id"]).to_pylist())[:5]
        raise CairnError(f"no framework {framework!r} in the lake: there is {', '.join(have) or 'none'}")
    return list(known.filter(pc.field("framework_id").isin(ids))["competency_id"].to_pylist())


def _evidence(settings: Settings) -> Iterator[pa.Table]:
    """All evidence, a part at a time: what stands, what waited when the newest night ran, and what came since.

    Links and alignments that changed since that night are not seen for what stands; the next night sees to that.
    """
    last = night_record.newest(settings)
    versions = night_record.present_versions(settings)
    nobody = pa.array([], pa.string())
    sources = evidence_sources.find(settings, last, versions, nobody, microseconds(ALL_TIME))
    if last is not None and not sources.again.is_everything:
        for files in _groups(settings, EVIDENCE, last.versions[EVIDENCE]):
            yield current_evidence(settings, files)
        for files in _groups(settings, WAITING, last.versions[WAITING]):
            columns = [*EVENT_COLUMNS, "waits_for", "is_removed", "night"]
            rows = lake.read_files(settings, WAITING, files, columns, dictionaries=CODED_WAITING)
            yield resolve(standing(rows, waiting_keys(rows)).select(EVENT_COLUMNS), sources.known).evidence.rows()
    for chunk in sources.chunks:
        events = events_of(lake.read_files(settings, SILVER, chunk, SILVER_COLUMNS, dictionaries=CODED_SILVER))
        yield resolve(events, sources.known).evidence.rows()


def _groups(settings: Settings, name: str, version: int) -> list[list[lake.File]]:
    """A table's files, those of one partition together: what stands is told by all of them."""
    return list(lake.by_partition(lake.table_files(settings, name, lake.EVERY, version)).values())


def _narrow(table: pa.Table, competencies: frozenset[str], rule: EvidenceRule) -> pa.Table:
    """Scored responses on the competencies, in the few columns that an evaluation holds for all of them at once."""
    table = arrow.usable(table.filter(pa.array(arrow.is_in(table["competency_id"], competencies))), rule)
    columns = {name: _coded(table[name]) if name in _CODED else table[name] for name in _NARROW.names}
    return pa.table(columns, schema=_NARROW)


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    codes, values = arrow.coded(column)
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _once(table: pa.Table) -> pa.Table:
    """Each event once a competency and pupil: one that waited for several things is there several times."""
    pair = hashing.mix(hashing.hash_texts(table["student_key"]), hashing.hash_texts(table["competency_id"]))
    key = hashing.mix(hashing.hash_texts(table["event_id"]), pair)
    first = np.unique(key, return_index=True)[1]
    return table if first.size == table.num_rows else table.take(pa.array(np.sort(first)))


def _items_of_skills(table: pa.Table) -> pa.ChunkedArray:
    """The item of each row; one that is not named is one of its skill."""
    unnamed = pc.binary_join_element_wise("", table["competency_id"].cast(pa.string()), "#")
    return pc.coalesce(table["item_id"].cast(pa.string()), unnamed)


def _responses(table: pa.Table, names: pa.ChunkedArray, rule: EvidenceRule) -> Responses:
    """Rows an event and competency as responses in order of work."""
    user, students = arrow.coded(table["student_key"])
    skill, skills = arrow.coded(table["competency_id"])
    item, items = arrow.coded(names)
    entries = Entries(
        user=user,
        skill=skill,
        item=item,
        event=hashing.hash_texts(table["event_id"]),
        at_us=arrow.integers(table["event_time"]),
        correct=table["correct"].to_numpy(),
        users=students,
        skills=skills,
        items=items,
    )
    return from_entries(entries, rule.right_from, has_items=table["item_id"].null_count < table.num_rows)
