"""The share model of the district: read from the lake, fitted there, shipped until there is evidence enough.

One version serves all competencies, since a pupil's sums span them. The first of the district's own is used from the
night on that finds evidence enough for it; later ones are challengers, which wait for their trial
(:mod:`spark_jobs.mastery_trial`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import SparkContext

import lake
from cairn.errors import CairnError
from cairn.mastery.config import FitRule, MasteryConfig
from cairn.mastery.share.durable import fit_durable, next_log_likelihood
from cairn.mastery.share.model import GENERAL, ShareModel, from_fit, from_rows, is_shipped, item_rows, shipped_rows
from cairn.settings import Settings
from spark_jobs.mastery_sample import Sample, read_sample
from spark_jobs.night_record import EVIDENCE, NightRecord

MODEL, ITEMS = "gold.mastery_model", "gold.item_difficulty"
# A district whose evidence was too little for a model is tried again when it has doubled.
TRY_AGAIN_FACTOR = 2
# The model is fitted anew after so many days, or when the evidence has become so many times as much.
REFIT_DAYS, REFIT_FACTOR = 7, 2


class TooFewError(CairnError):
    """The district has not evidence enough for a model of its own."""


@dataclass(frozen=True)
class LakeFit:
    """A fit on the lake's counted evidence: rows of both tables (without instant, use and the items' version).

    log_likelihood: of the answers that follow others of their pair, at the model's own easiness.
    """

    rows: list[dict[str, Any]]
    items: list[dict[str, Any]]
    responses: int
    skills: int
    log_likelihood: float

    @property
    def version(self) -> str:
        """The model's version."""
        return str(self.rows[0]["model_version"])


def model_in_use(settings: Settings) -> ShareModel | None:
    """The model that nights use; None before there is one."""
    rows = lake.read(settings, MODEL, filters=pc.field("is_active")).to_pylist()
    return _model(settings, rows) if rows else None


def model_of(settings: Settings, version: str) -> ShareModel:
    """A version that is on record. Raises CairnError where there is none."""
    rows = lake.read(settings, MODEL, filters=pc.field("model_version") == version).to_pylist()
    if not rows:
        raise CairnError(f"no model version {version!r}: there is {_versions(settings)}")
    return _model(settings, rows)


def item_limits(settings: Settings) -> tuple[str, dict[str, int]]:
    """(version in use, limits for rapid guesses of its items with one of their own by name); "" where there is none."""
    rows = lake.read(settings, MODEL, ["model_version"], pc.field("is_active")).to_pylist()
    if not rows:
        return "", {}
    version = str(rows[0]["model_version"])
    own = (pc.field("model_version") == version) & pc.field("rapid_guess_ms").is_valid()
    items = lake.read(settings, ITEMS, ["item_id", "rapid_guess_ms"], own).to_pylist()
    return version, {row["item_id"]: row["rapid_guess_ms"] for row in items}


def _model(settings: Settings, rows: list[dict[str, Any]]) -> ShareModel:
    of_version = pc.field("model_version") == rows[0]["model_version"]
    return from_rows(
        rows, lake.read(settings, ITEMS, ["item_id", "difficulty_logit", "rapid_guess_ms"], of_version).to_pylist()
    )


def _versions(settings: Settings) -> str:
    """The versions on record, for a sentence."""
    known = set(lake.read(settings, MODEL, ["model_version"])["model_version"].to_pylist())
    return ", ".join(sorted(known)) or "none: run 'cairn mastery update' first"


def model_for_night(
    context: SparkContext,
    settings: Settings,
    config: MasteryConfig,
    counts: Mapping[str, int],
    tried: Mapping[str, int],
    evidence_version: int,
) -> tuple[ShareModel, dict[str, int]]:
    """The model that a night uses, and how many rows of evidence there were when a fit was last tried ({"*": rows}).

    The one in use. Where that is the shipped one or none, and the district has no other on record, a fit is tried as
    soon as the evidence may be enough, and its model is used from now on; else the shipped one is. ``counts``: rows of
    evidence by competency; ``tried``: as it was returned by the night before.
    """
    shipped = shipped_rows()
    known = lake.read(settings, MODEL, ["model_version", "competency_id", "is_active"])
    general = known.filter(pc.equal(known["competency_id"], GENERAL)).to_pylist()
    of_others = [row for row in general if not is_shipped(row["model_version"])]
    evidence = sum(counts.values())
    is_due = evidence >= max(config.fit.minimum_responses, TRY_AGAIN_FACTOR * tried.get(GENERAL, 0))
    if not of_others and is_due:
        tried = {GENERAL: evidence}
        found = _fit_if_enough(read_sample(context, settings, config, evidence_version), config.fit)
        if found is not None:
            write_model(settings, found.rows, found.items, is_active=True)
    in_use = model_in_use(settings)
    if in_use is None or (is_shipped(in_use.version) and in_use.version != shipped[0]["model_version"]):
        write_model(settings, shipped, [], is_active=True)
        in_use = from_rows(shipped)
    return in_use, dict(tried)


def refit(context: SparkContext, settings: Settings, config: MasteryConfig, last: NightRecord) -> LakeFit:
    """Fit the model anew on the evidence of the newest night: a challenger, which no night uses until it is promoted.

    Raises TooFewError where the district has not evidence enough.
    """
    sample = read_sample(context, settings, config, last.versions[EVIDENCE])
    found = _fit_if_enough(sample, config.fit)
    if found is None:
        raise TooFewError(
            f"{sample.answers} counted answers of {sample.pupils} pupils are too few for a model of the district's own,"
            f" {config.fit.minimum_responses} of {config.fit.minimum_pupils} are needed: load more activity, or lower"
            " model.minimum_responses and model.minimum_pupils in evidence.yaml"
        )
    write_model(settings, found.rows, found.items, is_active=False)
    return found


def is_refit_due(night: NightRecord, evidence: int) -> bool:
    """Whether the model is to be fitted anew: a week after the last fit, or when the evidence has doubled."""
    if night.refit_date is None:  # on record from before the rule
        return True
    has_doubled = evidence >= REFIT_FACTOR * max(1, night.refit_evidence or 0)
    return has_doubled or night.data_date - night.refit_date >= timedelta(days=REFIT_DAYS)


def _fit_if_enough(sample: Sample, rule: FitRule) -> LakeFit | None:
    """The model of a sample, None where the district has not evidence enough or only the judged pupils have any."""
    is_enough = sample.answers >= rule.minimum_responses and sample.pupils >= rule.minimum_pupils
    return fit_sample(sample) if is_enough and sample.responses.user.size else None


def fit_sample(sample: Sample) -> LakeFit:
    """Fit the model to a sample."""
    data = sample.responses
    sys.stderr.write(f"fitting the share model on {data.user.size:,} counted answers, some ten seconds a 100,000\n")
    sys.stderr.flush()
    fitted = fit_durable(data)
    items = item_rows(fitted, data, sample.unnamed, sample.limits_ms)
    return LakeFit(
        rows=from_fit(fitted, data, items),
        items=items,
        responses=int(data.user.size),
        skills=int(np.unique(data.skill).size),
        log_likelihood=next_log_likelihood(fitted, data),
    )


def write_model(
    settings: Settings, rows: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]], *, is_active: bool
) -> None:
    """Put a version beside the earlier ones, in one commit; where active, in place of the one in use.

    Its items are frozen before it, so that no version is there without them. A version that is there already is not
    written again: fitting the same evidence changes nothing.
    """
    version = str(rows[0]["model_version"])
    if items and not lake.read(settings, ITEMS, ["model_version"], pc.field("model_version") == version).num_rows:
        lake.create(settings, ITEMS)
        lake.append(settings, ITEMS, [{"model_version": version, **item} for item in items])
    lake.create(settings, MODEL)
    known = lake.read(settings, MODEL)
    if version not in known["model_version"].to_pylist():
        fitted = {"fitted_at": datetime.now(UTC), "is_active": False}
        new = pa.Table.from_pylist([{**row, **fitted} for row in rows], schema=lake.file_schema(MODEL))
        known = pa.concat_tables([known.select(new.column_names).cast(new.schema), new])
    elif not is_active:
        return
    _overwrite(settings, known, version if is_active else "")


def use_version(settings: Settings, version: str) -> None:
    """Make the version the one that nights use, for the whole district. Raises CairnError where there is none such."""
    known = lake.read(settings, MODEL)
    if version not in known["model_version"].to_pylist():
        raise CairnError(f"no model version {version!r}: there is {_versions(settings)}")
    _overwrite(settings, known, version)


def _overwrite(settings: Settings, rows: pa.Table, in_use: str) -> None:
    """One commit of the table; ``in_use`` takes the place of the version in use, where one is named."""
    if in_use:
        place = rows.column_names.index("is_active")
        rows = rows.set_column(place, rows.field("is_active"), pc.equal(rows["model_version"], in_use))
    lake.overwrite(settings, MODEL, rows)
