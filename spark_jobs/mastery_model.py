"""The parameters of a night: read from gold, fitted where a competency has enough evidence and none of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import lake
from cairn.contracts import load_contract
from cairn.mastery import arrow
from cairn.mastery.config import PARAMETER_NAMES, EvidenceRule, FitRule, MasteryConfig
from cairn.mastery.evidence import COUNTED, judge
from cairn.mastery.fit import Fit, Sequences, fit_bkt, make_sequences
from cairn.mastery.models import DEFAULT, ModelTable, default_row, model_version, table_from
from cairn.settings import Settings
from lake import append
from lake import read as read_small

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# More responses than this are thinned by pupil before a fit: it happens on the driver.
MAX_FIT_RESPONSES = 2_000_000
FIT_COLUMNS = ("student_key", "competency_id", *arrow.ATTEMPT_COLUMNS)


@dataclass(frozen=True)
class LakeFit:
    """A fit of some competencies on the lake's counted evidence, and the difficulty of their items."""

    version: str
    competencies: list[str]
    fit: Fit
    items: list[dict[str, Any]]


def active_models(settings: Settings, config: MasteryConfig) -> ModelTable:
    """The parameters in use."""
    return table_from(read_small(settings, "gold.mastery_model").to_pylist(), config.fit.default)


def fit_missing(
    settings: Settings, config: MasteryConfig, frame: DataFrame, prints: Any, held: frozenset[str] = frozenset()
) -> ModelTable:
    """Fit competencies that have enough evidence and no active parameters; returns the table in use.

    ``frame`` is the evidence, ``prints`` its fingerprints by pair; pupils of ``held`` are in the first only and teach
    nothing. The first call also writes the default.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    models = active_models(settings, config)
    competency, names = arrow.coded(prints["competency_id"])
    pupils = np.bincount(competency, minlength=len(names))
    events = np.bincount(competency, weights=arrow.integers(prints["events"]), minlength=len(names))
    enough = np.flatnonzero((events >= config.fit.minimum_responses) & (pupils >= config.fit.minimum_pupils))
    missing = {names[i]: int(events[i]) for i in enough if names[i] not in models.row_of}
    rows: list[dict[str, Any]] = []
    now = datetime.now(UTC)
    if not any(
        row["competency_id"] == DEFAULT
        for row in read_small(settings, "gold.mastery_model", ["competency_id"]).to_pylist()
    ):
        rows.append({**default_row(config.fit.default), "fitted_at": now})
    if missing:
        table = collect_for_fit(frame, sorted(missing), sum(missing.values()))
        if held:
            table = table.filter(pc.invert(pc.is_in(table["student_key"], value_set=pa.array(sorted(held)))))
        found = fit_table(table, config.evidence, config.fit)
        if found is not None:
            rows += model_rows(found, config.fit, now)
            write_items(settings, found)
    if rows:
        write_rows(settings, rows)
        models = active_models(settings, config)
    return models


def collect_for_fit(frame: DataFrame, competencies: list[str], responses: int) -> Any:
    """The evidence of the competencies on the driver, as Arrow; thinned by pupil where there is too much."""
    from pyspark.sql import functions as F

    chosen = frame.where(F.col("competency_id").isin(competencies))
    if responses > MAX_FIT_RESPONSES:
        keep = int(10_000 * MAX_FIT_RESPONSES / responses)
        chosen = chosen.where(F.pmod(F.xxhash64("student_key"), F.lit(10_000)) < keep)
    return chosen.select(*FIT_COLUMNS).toArrow()


def counted_sequences(table: Any, rule: EvidenceRule) -> tuple[Sequences, list[str], Any, Any]:
    """(sequences, competencies by code, items, rights) of the counted evidence, the last two in order of work."""
    import pyarrow as pa

    table = arrow.usable(table, rule)
    student, _ = arrow.coded(table["student_key"])
    competency, competencies = arrow.coded(table["competency_id"])
    pair = competency * (int(student.max(initial=0)) + 1) + student
    judged = judge(arrow.attempts_from(table, pair, rule), rule)
    keep = judged.verdict == COUNTED
    order, right = judged.order[keep], judged.is_right[keep]
    sequences, _ = make_sequences(competency[order], student[order], right.astype(np.int8))
    return sequences, competencies, table["item_id"].take(pa.array(order)), right


def fit_table(table: Any, rule: EvidenceRule, fit_rule: FitRule) -> LakeFit | None:
    """Fit the competencies of an evidence table that have enough counted evidence; None where none has."""
    sequences, names, items, rights = counted_sequences(table, rule)
    if not names:
        return None
    fit = fit_bkt(sequences, fit_rule.bounds, has_forget=fit_rule.has_forget)
    pupils = np.diff(sequences.skill_offsets)
    sizes = np.r_[fit.responses, np.zeros(len(names) - fit.responses.size, dtype=np.int64)]
    pupils = np.r_[pupils, np.zeros(len(names) - pupils.size, dtype=np.int64)]
    enough = np.flatnonzero((sizes >= fit_rule.minimum_responses) & (pupils >= fit_rule.minimum_pupils))
    if enough.size == 0:
        return None
    kept = Fit(
        fit.parameters[enough],
        fit.log_likelihood[enough],
        fit.responses[enough],
        fit.is_degenerate[enough],
        fit.unbounded_log_likelihood[enough],
    )
    competencies = [names[i] for i in enough]
    version = model_version("bkt", {name: kept.parameters[i] for i, name in enumerate(competencies)})
    return LakeFit(version, competencies, kept, _item_rows(items, rights, version, fit_rule.minimum_item_responses))


def _item_rows(items: Any, rights: Any, version: str, minimum: int) -> list[dict[str, Any]]:
    """Difficulty of items with enough counted responses: logit of the share wrong, half a response added to each."""
    codes, names = arrow.coded(items)
    given = codes >= 0
    total = np.bincount(codes[given], minlength=len(names))
    right = np.bincount(codes[given], weights=rights[given], minlength=len(names))
    logit = np.log((total - right + 0.5) / (right + 0.5))
    return [
        {"model_version": version, "item_id": names[i], "difficulty_logit": float(logit[i]), "responses": int(total[i])}
        for i in np.flatnonzero(total >= minimum)
    ]


def model_rows(found: LakeFit, fit_rule: FitRule, fitted_at: datetime) -> list[dict[str, Any]]:
    """Rows of gold.mastery_model for a fit, active."""
    fit = found.fit
    return [
        {
            "model_version": found.version,
            "competency_id": name,
            "model": "bkt_forget" if fit_rule.has_forget else "bkt",
            **{column: float(fit.parameters[i, j]) for j, column in enumerate(PARAMETER_NAMES)},
            "responses": int(fit.responses[i]),
            "log_likelihood": float(fit.log_likelihood[i]),
            "is_degenerate": bool(fit.is_degenerate[i]),
            "fitted_at": fitted_at,
            "is_active": True,
        }
        for i, name in enumerate(found.competencies)
    ]


def write_rows(settings: Settings, rows: list[dict[str, Any]]) -> None:
    """Make the rows the active ones of their competencies; earlier ones stay, inactive. One commit, without Spark.

    A version that is already there is written once: fitting the same evidence again changes nothing.
    """
    import pyarrow as pa

    contract = load_contract("gold.mastery_model")
    earlier = read_small(settings, contract.name).to_pylist()
    kept = {(row["model_version"], row["competency_id"]): row for row in earlier}
    names = {row["competency_id"] for row in rows}
    for row in kept.values():
        row["is_active"] = row["is_active"] and row["competency_id"] not in names
    for row in rows:
        key = (row["model_version"], row["competency_id"])
        kept[key] = {**kept[key], "is_active": True} if key in kept else row
    lake.create(settings, contract.name)
    table = pa.Table.from_pylist(list(kept.values()), schema=lake.file_schema(contract.name))
    lake.overwrite(settings, contract.name, table)


def write_items(settings: Settings, found: LakeFit) -> None:
    """Freeze item difficulties with their model version, once."""
    known = set(read_small(settings, "gold.item_difficulty", ["model_version"])["model_version"].to_pylist())
    if found.version not in known:
        lake.create(settings, "gold.item_difficulty")
        append(settings, "gold.item_difficulty", found.items)
