"""The parameters of a night: read from gold, fitted where a competency has enough evidence and none of its own.

A fit uses a stated sample of each competency's counted evidence, so that what the driver holds grows with competencies
and not with pupils, and rare competencies are not starved for the sake of frequent ones: within each bucket the pupils
with the lowest keys (which the vault draws at random), up to the bucket's part of SAMPLE_RESPONSES.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import SparkContext

import lake
from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.bkt import ByteArray, IntArray
from cairn.mastery.config import PARAMETER_NAMES, EvidenceRule, FitRule, MasteryConfig
from cairn.mastery.evidence import COUNTED, judge
from cairn.mastery.fit import Fit, fit_bkt, make_sequences
from cairn.mastery.models import DEFAULT, ModelTable, default_row, model_version, table_from
from cairn.mastery.states import COLUMNS
from cairn.settings import Settings
from spark_jobs import tasks
from spark_jobs.mastery_bucket import CODED, current_evidence
from spark_jobs.night_record import EVIDENCE, NightRecord

# Counted responses of a competency that a fit looks at, at most; and of all competencies together.
SAMPLE_RESPONSES = 4_000
MOST_RESPONSES = 1_500_000
# A competency whose fit found too little is tried again when its evidence has doubled.
TRY_AGAIN_FACTOR = 2
# All parameters are fitted anew after so many days, or when the evidence has become so many times as much.
REFIT_DAYS, REFIT_FACTOR = 7, 2


class TooFewError(CairnError):
    """No competency has enough evidence to be fitted."""


@dataclass(frozen=True)
class LakeFit:
    """A fit of some competencies on the lake's counted evidence, and the difficulty of their items."""

    version: str
    competencies: list[str]
    fit: Fit
    items: list[dict[str, Any]]


@dataclass(frozen=True)
class Sample:
    """Counted responses in order of competency, pupil and work, as parallel arrays (n), and the names by code.

    pupil codes are of the bucket that the responses came from. problem: why the bucket could not be read.
    """

    competency: npt.NDArray[np.int32]
    pupil: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    is_right: ByteArray
    competencies: list[str]
    items: list[str]
    problem: str = ""


def active_models(settings: Settings, config: MasteryConfig) -> ModelTable:
    """The parameters in use."""
    return table_from(lake.read(settings, "gold.mastery_model").to_pylist(), config.fit.default)


def fit_missing(
    context: SparkContext,
    settings: Settings,
    config: MasteryConfig,
    counts: Mapping[str, int],
    tried: Mapping[str, int],
    evidence_version: int,
) -> tuple[ModelTable, dict[str, int]]:
    """Fit competencies that have enough evidence and no active parameters.

    ``counts``: rows of evidence by competency; ``tried``: what they were when a fit was last tried. Returns the table
    in use and what was tried by now. The first call also writes the default.
    """
    models = active_models(settings, config)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    known = lake.read(settings, "gold.mastery_model", ["competency_id"])["competency_id"].to_pylist()
    if DEFAULT not in known:
        rows.append({**default_row(config.fit.default), "fitted_at": now})
    wanted = [
        name
        for name, count in counts.items()
        if name not in models.row_of
        and count >= config.fit.minimum_responses
        and count >= TRY_AGAIN_FACTOR * tried.get(name, 0)
    ]
    if wanted:
        found = fit_sample(sample(context, settings, config.evidence, wanted, evidence_version), config.fit)
        if found is not None:
            rows += model_rows(found, config.fit, now)
            write_items(settings, found)
    if rows:
        write_rows(settings, rows)
        models = active_models(settings, config)
    return models, {**tried, **{name: counts[name] for name in wanted}}


def refit(
    context: SparkContext, settings: Settings, config: MasteryConfig, last: NightRecord, *, has_forget: bool
) -> LakeFit:
    """Fit all competencies that have enough evidence anew: a challenger, which no night uses until it is promoted.

    Raises CairnError where no competency has enough.
    """
    fit_rule = replace(config.fit, has_forget=has_forget)
    names = sorted(last.evidence_counts)
    parts = sample(context, settings, config.evidence, names, last.versions[EVIDENCE]) if names else []
    found = fit_sample(parts, fit_rule)
    if found is None:
        raise TooFewError(
            f"no competency has {fit_rule.minimum_responses} counted responses of {fit_rule.minimum_pupils} pupils yet:"
            " load more activity, or lower model.minimum_responses in evidence.yaml"
        )
    write_items(settings, found)
    write_rows(settings, model_rows(found, fit_rule, datetime.now(UTC)), is_active=False)
    return found


def use_versions(settings: Settings, versions: Mapping[str, str]) -> None:
    """Make each competency's version ("": the default) the one that nights use, in one commit.

    Raises CairnError where a competency has no such version.
    """
    rows = lake.read(settings, "gold.mastery_model").to_pylist()
    known = {(row["competency_id"], row["model_version"]) for row in rows}
    default = {row["model_version"] for row in rows if row["competency_id"] == DEFAULT}
    wanted = {name: "" if version in default else version for name, version in versions.items()}
    for name, version in sorted(wanted.items()):
        if version and (name, version) not in known:
            there = ", ".join(sorted(one for of, one in known if of == name)) or "none"
            raise CairnError(f"no model version {version!r} of competency {name}: there is {there}")
    for row in rows:
        if row["competency_id"] in wanted:
            row["is_active"] = row["model_version"] == wanted[row["competency_id"]]
    table = pa.Table.from_pylist(rows, schema=lake.file_schema("gold.mastery_model"))
    lake.overwrite(settings, "gold.mastery_model", table)


def is_forgetting_in_use(settings: Settings) -> bool:
    """Whether the parameters that nights use are those of a model that forgets."""
    active = pa.compute.field("is_active") & (pa.compute.field("model") == "bkt_forget")
    return bool(lake.read(settings, "gold.mastery_model", ["model"], active).num_rows)


def is_refit_due(night: NightRecord, evidence: int) -> bool:
    """Whether the parameters are to be fitted anew: a week after the last fit, or when the evidence has doubled."""
    if night.refit_date is None:  # on record from before the rule
        return True
    has_doubled = evidence >= REFIT_FACTOR * max(1, night.refit_evidence or 0)
    return has_doubled or night.data_date - night.refit_date >= timedelta(days=REFIT_DAYS)


def sample(
    context: SparkContext, settings: Settings, rule: EvidenceRule, competencies: list[str], evidence_version: int
) -> list[Sample]:
    """The stated sample of each competency's counted evidence, one part a bucket."""
    by_bucket = lake.by_number(lake.table_files(settings, EVIDENCE, lake.EVERY, evidence_version), "pupil_bucket")
    if not by_bucket:
        return []
    whole = min(SAMPLE_RESPONSES, MOST_RESPONSES // len(competencies))
    part = -(-whole // len(by_bucket))
    wanted = frozenset(competencies)
    work = [by_bucket[bucket] for bucket in sorted(by_bucket)]
    parts = tasks.run(context, "sample to fit", work, lambda files: _sample_bucket(files, settings, rule, wanted, part))
    for one in parts:
        if one.problem:
            sys.stderr.write(f"sample to fit: left out what cannot be read: {one.problem}\n")
    return parts


def _sample_bucket(
    files: list[lake.File], settings: Settings, rule: EvidenceRule, wanted: frozenset[str], most: int
) -> Sample:
    """A bucket's part: of each competency the pupils with the lowest keys, until it has enough responses."""
    try:
        table = _first_evidence(files, settings, rule, wanted, most)
    except (OSError, pa.ArrowInvalid) as error:
        none = np.zeros(0, dtype=np.int32)
        return Sample(none, none, none, np.zeros(0, dtype=np.int8), [], [], str(error).splitlines()[0][:300])
    competency, competencies = arrow.coded(table["competency_id"])
    pupil, _ = arrow.coded(table["student_key"])
    keep = _first_pupils(competency, pupil, most)
    table, competency, pupil = table.filter(pa.array(keep)), competency[keep], pupil[keep]
    width = int(pupil.max(initial=0)) + 1
    judged = judge(arrow.attempts_from(table, competency * width + pupil, rule), rule)
    counted = judged.verdict == COUNTED
    order = judged.order[counted]
    item, items = arrow.coded(table["item_id"])
    return Sample(
        competency[order].astype(np.int32),
        pupil[order].astype(np.int32),
        item[order].astype(np.int32),
        judged.is_right[counted].astype(np.int8),
        competencies,
        items,
    )


def _first_evidence(
    files: list[lake.File], settings: Settings, rule: EvidenceRule, wanted: frozenset[str], most: int
) -> pa.Table:
    """Usable evidence that stands in a bucket, on the wanted competencies; of its first pupils only, where that does.

    The file lies in order of pupils, so that its beginning is whole pupils but for the last.
    """
    if len(files) > 1:  # what stands is told by all of them
        return _usable(current_evidence(settings, files), rule, wanted)
    parts: list[pa.Table] = []
    seen: Counter[str] = Counter()
    for portion in lake.read_portions(settings, EVIDENCE, files[0], COLUMNS, CODED):
        parts.append(_usable(portion, rule, wanted))
        seen.update(_counts(parts[-1]))
        if all(seen[name] >= most for name in wanted):
            table = pa.concat_tables(parts).unify_dictionaries()
            last = frozenset(table["student_key"].slice(table.num_rows - 1).to_pylist())
            whole = arrow.kept(table, ~arrow.is_in(table["student_key"], last))
            sure = _counts(whole)
            if all(sure.get(name, 0) >= most for name in wanted):
                return whole
    return pa.concat_tables(parts).unify_dictionaries()


def _usable(rows: pa.Table, rule: EvidenceRule, wanted: frozenset[str]) -> pa.Table:
    return arrow.usable(arrow.kept(rows, arrow.is_in(rows["competency_id"], wanted)), rule)


def _counts(rows: pa.Table) -> dict[str, int]:
    codes, names = arrow.coded(rows["competency_id"])
    return dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))


def _first_pupils(competency: IntArray, pupil: IntArray, most: int) -> npt.NDArray[np.bool_]:
    """Rows of the first pupils of each competency, whole pupils, as many as give ``most`` rows or just more."""
    order = np.lexsort((pupil, competency))
    starts = np.searchsorted(competency[order], competency[order])
    before = np.arange(order.size) - starts
    # Rows of a pupil stay together: what counts is how many rows came before the pupil's first.
    first_of_pupil = np.searchsorted(
        competency[order] * (int(pupil.max(initial=0)) + 1) + pupil[order],
        competency[order] * (int(pupil.max(initial=0)) + 1) + pupil[order],
    )
    keep = np.zeros(order.size, dtype=bool)
    keep[order] = before[first_of_pupil] < most
    return keep


def fit_sample(parts: list[Sample], fit_rule: FitRule) -> LakeFit | None:
    """Fit the competencies of a sample that have enough counted evidence; None where none has."""
    parts = [part for part in parts if part.competency.size]
    if not parts:
        return None
    names = sorted({name for part in parts for name in part.competencies})
    items = sorted({name for part in parts for name in part.items})
    place, item_place = {name: i for i, name in enumerate(names)}, {name: i for i, name in enumerate(items)}
    skill, user, item = [], [], []
    shift = 0
    for part in parts:
        skill.append(np.array([place[name] for name in part.competencies])[part.competency])
        user.append(part.pupil.astype(np.int64) + shift)
        item.append(np.append([item_place[name] for name in part.items], -1).astype(np.int64)[part.item])
        shift += int(part.pupil.max()) + 1
    right = np.concatenate([part.is_right for part in parts])
    skills = np.concatenate(skill)
    sequences, _ = make_sequences(skills, np.concatenate(user), right)
    fit = fit_bkt(sequences, fit_rule.bounds, has_forget=fit_rule.has_forget)
    pupils = np.diff(sequences.skill_offsets)
    enough = np.flatnonzero((fit.responses >= fit_rule.minimum_responses) & (pupils >= fit_rule.minimum_pupils))
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
    rows = _item_rows(np.concatenate(item), items, right, version, fit_rule.minimum_item_responses)
    return LakeFit(version, competencies, kept, rows)


def _item_rows(
    codes: IntArray, names: list[str], rights: ByteArray, version: str, minimum: int
) -> list[dict[str, Any]]:
    """Difficulty of items with enough counted responses: logit of the share wrong, half a response added to each."""
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


def write_rows(settings: Settings, rows: list[dict[str, Any]], *, is_active: bool = True) -> None:
    """Put rows beside the earlier ones, in one commit; where active, in place of the active ones of their competencies.

    A version that is already there is written once: fitting the same evidence again changes nothing.
    """
    earlier = lake.read(settings, "gold.mastery_model").to_pylist()
    kept = {(row["model_version"], row["competency_id"]): row for row in earlier}
    names = {row["competency_id"] for row in rows} if is_active else set()
    for row in kept.values():
        row["is_active"] = row["is_active"] and row["competency_id"] not in names
    for row in rows:
        key = (row["model_version"], row["competency_id"])
        known = kept.get(key, {**row, "is_active": False})
        kept[key] = {**known, "is_active": is_active or known["is_active"]}
    lake.create(settings, "gold.mastery_model")
    table = pa.Table.from_pylist(list(kept.values()), schema=lake.file_schema("gold.mastery_model"))
    lake.overwrite(settings, "gold.mastery_model", table)


def write_items(settings: Settings, found: LakeFit) -> None:
    """Freeze item difficulties with their model version, once."""
    known = set(lake.read(settings, "gold.item_difficulty", ["model_version"])["model_version"].to_pylist())
    if found.version not in known:
        lake.create(settings, "gold.item_difficulty")
        lake.append(settings, "gold.item_difficulty", found.items)
