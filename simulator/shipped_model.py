"""The share model that is shipped for a district's first nights: made from simulated pupils, of nobody's data.

``python -m simulator.shipped_model`` writes it (20 s). Its mean is fitted on pupils of a continuous ability (family
B) in many worlds; only what holds for all competencies is kept. A district's competencies and items are unknown to
it, so its doubt is not that of the fit: it is fitted on the truth, which simulated pupils tell, of other pupils in
other worlds of both families, on whose competencies and items it knows nothing either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.responses import Responses
from cairn.mastery.schema_check import short_hash
from cairn.mastery.share.doubt import Doubt
from cairn.mastery.share.doubt_fit import PRIOR
from cairn.mastery.share.durable import evidence_on, fit_durable
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.model import GENERAL, SHIPPED, SHIPPED_NAME, from_fit, from_rows, on
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.share.state import COUNT
from simulator.families import COMPETENCIES, DAY_SECONDS, ITEMS_EACH, KnownPupils, simulate

Floats = NDArray[np.float64]
LEARNED_FROM, DOUBTED_BY = (10, 80), (10, 25)  # worlds, and pupils in each
FIRST_WORLD = {"learned from": 1_000, "doubted by": 3_000}
# Steps of the search for the doubt, and halvings of the search for how far off a pupil is.
STEPS, HALVINGS, FARTHEST = 80, 25, 8.0


def worlds(family: str, count: int, pupils: int, first_seed: int) -> KnownPupils:
    """Counted answers of so many pupils in each of so many worlds of a family; no competency is in two of them."""
    known = [simulate(family, pupils, first_seed + number) for number in range(count)]
    parts = [one.responses for one in known]
    at = np.concatenate([part.at_seconds for part in parts])
    order = np.argsort(at, kind="stable")
    user = np.concatenate([part.user + number * pupils for number, part in enumerate(parts)])[order]
    item = np.concatenate([part.item + number * COMPETENCIES * ITEMS_EACH for number, part in enumerate(parts)])[order]
    data = Responses(
        user=user,
        item=item,
        correct=np.concatenate([part.correct for part in parts])[order],
        at_seconds=at[order],
        response=np.arange(order.size),
        skill=item // ITEMS_EACH,
        users=[f"pupil-{code}" for code in range(count * pupils)],
        items=[f"item-{code}" for code in range(count * COMPETENCIES * ITEMS_EACH)],
        skills=[f"competency-{code}" for code in range(count * COMPETENCIES)],
        has_items=True,
        has_times=True,
    )
    counted = data.first_attempts(DAY_SECONDS)
    truth = np.concatenate([one.true_share for one in known])[order]
    return KnownPupils(data.of(counted), truth[counted], None)


@dataclass(frozen=True)
class _Told:
    """What a model says of pairs whose true share is known (n): logits of reference items, share, tries; the truth."""

    logits: Floats
    share: Floats
    tries: Floats
    truth: Floats


def _told(rows: list[dict[str, Any]], pupils: KnownPupils) -> _Told:
    """Of the last answer of each pair."""
    model = on(from_rows(rows), pupils.responses)
    evidence = evidence_on(model.head, pupils.responses)
    last = evidence.offsets[1:] - 1
    asked = ask_in_a_week(model, evidence, last, SharePolicy())
    tries = evidence.after[last, COUNT]
    return _Told(asked.logits, asked.share, tries, pupils.true_share[evidence.response[last]])


def _doubt_by_truth(told: _Told) -> Doubt:
    """The doubt that makes the true shares likeliest; how it widens with time is the prior's."""
    week = np.full(told.share.size, GAP_DAYS)

    def doubt(found: Floats) -> Doubt:
        return Doubt(float(found[0]), min(float(found[1]), 0.0), float(found[2]), float(PRIOR[3]))

    def loss(found: Floats) -> float:
        spread = doubt(found).around(told.share, told.tries, week)
        off = _off(told.logits * spread.stretch[:, None], told.truth) / spread.width
        return float(np.mean(np.log(spread.width) + 0.5 * off * off))

    found = minimize(loss, PRIOR[:3], method="Nelder-Mead", options={"maxiter": STEPS})
    return doubt(found.x)


def _off(logits: Floats, truth: Floats) -> Floats:
    """How far each pupil is off the average on the logit, for the mean chance to be the truth; by bisection."""
    low, high = np.full(truth.size, -FARTHEST), np.full(truth.size, FARTHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        is_under = chances(logits + middle[:, None]).mean(axis=1) < truth
        low, high = np.where(is_under, middle, low), np.where(is_under, high, middle)
    return high


def make() -> list[dict[str, Any]]:
    """The model's one row, as gold.mastery_model has it (without instant and use)."""
    taught = worlds("family-b", *LEARNED_FROM, FIRST_WORLD["learned from"]).responses
    rows = [row for row in from_fit(fit_durable(taught), taught) if row["competency_id"] == GENERAL]
    told = [_told(rows, worlds(family, *DOUBTED_BY, FIRST_WORLD["doubted by"])) for family in ("family-b", "family-a")]
    both = _Told(*(np.concatenate([getattr(one, name) for one in told]) for name in _Told.__annotations__))
    row = {**rows[0], "doubt": [round(float(number), 12) for number in _doubt_by_truth(both).numbers]}
    return [{**row, "model_version": f"{SHIPPED_NAME}-{short_hash({**row, 'model_version': ''})}"}]


def main() -> None:
    """Write the file."""
    SHIPPED.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
