"""The share model that nights use: one version for the whole district, frozen with its items and competencies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import EvidenceRule
from cairn.mastery.hashing import item_keys
from cairn.mastery.rapid import NO_LIMIT, RapidLimits
from cairn.mastery.responses import Responses
from cairn.mastery.schema_check import short_hash
from cairn.mastery.share.doubt import Doubt
from cairn.mastery.share.durable import DurableShare, ShareHead, formula_weights, regression_weights
from cairn.mastery.share.easiness import Easiness
from cairn.mastery.share.formula import REFERENCE_POINTS, SKILL_WEIGHTS, WEIGHTS

# The row of what all competencies share, and of those that the fit did not meet.
GENERAL = "*"
# What serves until a district has evidence enough for a model of its own.
SHIPPED = Path(__file__).with_name("shipped_model.json")
SHIPPED_NAME = "share-shipped"
DIGITS = 12


@dataclass(frozen=True)
class ShareModel:
    """Weights of the formula (:mod:`.formula`), frozen under one version.

    weights (WEIGHTS) and patterns (PATTERNS) are general; skills (rows x SKILL_WEIGHTS), reference (rows x
    REFERENCE_POINTS) and easiness (rows) are of competencies, row 0 of those the fit did not meet. row_of: competency
    to row. item_key (ascending), item_easiness and item_limit_ms (under which an answer is a rapid guess, NO_LIMIT for
    none of its own): items by :func:`cairn.mastery.arrow.item_codes`.
    """

    version: str
    weights: FloatArray
    patterns: FloatArray
    skills: FloatArray
    reference: FloatArray
    easiness: FloatArray
    doubt: Doubt
    row_of: Mapping[str, int] = field(default_factory=dict)
    item_key: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    item_easiness: FloatArray = field(default_factory=lambda: np.zeros(0))
    item_limit_ms: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """weights, patterns, skills, reference and the doubt's numbers, as the compiled functions take them."""
        return self.weights, self.patterns, self.skills, self.reference, self.doubt.numbers

    def rows(self, competency_ids: Iterable[str]) -> IntArray:
        """The row of each competency, 0 for those that the fit did not meet."""
        return np.array([self.row_of.get(name, 0) for name in competency_ids], dtype=np.int64)

    def easiness_of(self, item: IntArray, row: IntArray) -> FloatArray:
        """The frozen easiness of items (codes); of those that the fit did not meet, of their competency's row."""
        place = arrow.places_in(self.item_key, item)
        own = np.append(self.item_easiness, 0.0)[place]
        found: FloatArray = np.where(place >= 0, own, self.easiness[row])
        return found


def rapid_limits(rule: EvidenceRule, model: ShareModel | None) -> RapidLimits:
    """The limits for rapid guesses: the district's, and a model's of its items; the former alone without a model."""
    nothing = np.zeros(0, dtype=np.int64)
    own = (nothing, nothing) if model is None else (model.item_key, model.item_limit_ms)
    return RapidLimits.of(rule.rapid_guess_ms, own, rule.rapid_guess_ms_by_item)


def from_fit(fitted: DurableShare, data: Responses, items: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Rows of a model as gold.mastery_model has them (without instant and use), from a fit on ``data``.

    ``items``: its rows of :func:`item_rows`, which the version names too. Needs work times: raises CairnError without.
    """
    head = fitted.head
    if not head.has_times:
        raise CairnError("the answers tell no times: nights need a model that knows of gaps; load timestamps too")
    skills = len(data.skills)
    weights, patterns, by_skill = formula_weights(head)
    responses = np.bincount(data.skill, minlength=skills)
    general: dict[str, Any] = {
        "competency_id": GENERAL,
        "weights": _rounded(np.r_[weights, patterns]),
        "reference": _rounded(np.quantile(head.reference, (np.arange(REFERENCE_POINTS) + 0.5) / REFERENCE_POINTS)),
        "easiness": round(float(np.average(head.easiness.skill, weights=responses + 1e-9)), DIGITS),
        "doubt": _rounded(fitted.doubt.numbers),
        "responses": int(data.user.size),
    }
    competencies: list[dict[str, Any]] = [
        {
            "competency_id": name,
            "weights": _rounded(by_skill[code]),
            "reference": _rounded(head.reference[code]),
            "easiness": round(float(head.easiness.skill[code]), DIGITS),
            "doubt": None,
            "responses": int(responses[code]),
        }
        for code, name in enumerate(data.skills)
        if responses[code]
    ]
    own_items = item_rows(fitted, data) if items is None else items
    version = f"share-{short_hash([general, competencies, own_items])}"
    return [{"model_version": version, "model": "share", **row} for row in (general, *competencies)]


def item_rows(
    fitted: DurableShare,
    data: Responses,
    unnamed: frozenset[str] = frozenset(),
    limits_ms: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """item_id, difficulty_logit (higher is harder), responses, rapid_guess_ms of the items that the fit met, by name.

    Items of the names ``unnamed`` stand for answers that named none. ``limits_ms``: by item, of those that have one.
    """
    limits = limits_ms or {}
    responses = np.bincount(data.item, minlength=len(data.items))
    easiness = fitted.head.easiness
    return [
        {
            "item_id": name,
            "difficulty_logit": round(-float(easiness.item[code]), DIGITS),
            "responses": int(responses[code]),
            "rapid_guess_ms": limits.get(name),
        }
        for code, name in enumerate(data.items)
        if easiness.is_known[code] and name not in unnamed
    ]


def _rounded(values: FloatArray) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


def from_rows(rows: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]] = ()) -> ShareModel:
    """A model of one version's rows of gold.mastery_model and gold.item_difficulty. Raises CairnError without "*"."""
    by_name = {str(row["competency_id"]): row for row in rows}
    if GENERAL not in by_name:
        raise CairnError("a version of gold.mastery_model has no row '*': restore the table from its backup")
    general = by_name.pop(GENERAL)
    own = [by_name[name] for name in sorted(by_name)]
    weights = np.array(general["weights"], dtype=np.float64)
    nothing = [0.0] * SKILL_WEIGHTS
    named = sorted(
        (str(row["item_id"]), -float(row["difficulty_logit"]), row.get("rapid_guess_ms") or NO_LIMIT) for row in items
    )
    keys = item_keys(pa.array([name for name, *_ in named], pa.string()))
    order = np.argsort(keys)
    return ShareModel(
        version=str(general["model_version"]),
        weights=weights[:WEIGHTS],
        patterns=weights[WEIGHTS:],
        skills=np.array([nothing, *(row["weights"] for row in own)], dtype=np.float64),
        reference=np.array([row["reference"] for row in (general, *own)], dtype=np.float64),
        easiness=np.array([row["easiness"] for row in (general, *own)], dtype=np.float64),
        doubt=Doubt.of(np.array(general["doubt"], dtype=np.float64)),
        row_of={str(row["competency_id"]): place for place, row in enumerate(own, start=1)},
        item_key=keys[order],
        item_easiness=np.array([easiness for _, easiness, _ in named], dtype=np.float64)[order],
        item_limit_ms=np.array([limit for *_, limit in named], dtype=np.int64)[order],
    )


def on(model: ShareModel, data: Responses) -> DurableShare:
    """The model in the codes of some responses: for trials and evaluations, which judge fits and versions alike."""
    row = model.rows(data.skills)
    skills = model.skills[row]
    keys = item_keys(pa.array(data.items, pa.string()))
    place = arrow.places_in(model.item_key, keys)
    item = np.append(model.item_easiness, 0.0)[place]
    easiness = Easiness(item, model.easiness[row], (place >= 0) & data.has_items)
    weights = regression_weights(model.weights, model.patterns, skills)
    return DurableShare(ShareHead(weights, easiness, model.reference[row], has_times=True), model.doubt)


def is_shipped(version: str) -> bool:
    """Whether a version came with the program and not from the district's evidence."""
    return version.startswith(SHIPPED_NAME)


def shipped_rows() -> list[dict[str, Any]]:
    """The rows of the model that is shipped: general weights only, fitted on simulated pupils."""
    found: list[dict[str, Any]] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return found
