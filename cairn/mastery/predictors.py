"""Models that predict the next response of pupils whom they have not seen: fitted on some pupils, judged on others.

A response with several skills is predicted once (the mean over its skills) and then updates each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cairn.errors import CairnError, UsageError
from cairn.mastery import bkt, elo
from cairn.mastery.accuracy import measure
from cairn.mastery.bkt import FloatArray, Parameters
from cairn.mastery.fit import Bounds, Fit, fit_bkt, make_sequences
from cairn.mastery.reliability import reliability, write_plot
from cairn.mastery.responses import Responses
from cairn.mastery.share.next_response import fit_next_response, predict_next_response
from cairn.mastery.twins import find_twins

# So many of the pupils concerned are named.
MOST_NAMED = 5


@dataclass(frozen=True)
class BktRule:
    """How BKT is fitted: bounds (None: without), and the parameters of skills that training has not met."""

    bounds: Bounds | None
    default: Parameters


Predictor = Callable[[Responses, Responses, BktRule], FloatArray]


def fit_responses(data: Responses, model: str, bounds: Bounds | None) -> Fit:
    """Fit BKT to every skill; skills without responses get EM's first start. Raises UsageError for another model."""
    if model not in ("bkt", "bkt_forget"):
        raise UsageError(f"model {model!r} has nothing to fit by itself: choose bkt or bkt_forget")
    sequences, _ = make_sequences(data.skill, data.user[data.response], data.right[data.response])
    return fit_bkt(sequences, bounds, has_forget=model == "bkt_forget")


def predict_bkt(data: Responses, parameters: FloatArray) -> FloatArray:
    """P(right) of each response before it is seen: the mean over its skills; ``parameters`` has one row a skill."""
    user = data.user[data.response]
    sequences, order = make_sequences(data.skill, user, data.right[data.response])
    of_skill = np.repeat(np.arange(sequences.skills), np.diff(sequences.skill_offsets)).astype(np.int64)
    _, predicted, _ = bkt.forward(sequences.correct, sequences.offsets, of_skill, parameters)
    response = data.response[order]
    size = data.user.size
    total = np.bincount(response, weights=predicted, minlength=size)
    share: FloatArray = total / np.maximum(1, np.bincount(response, minlength=size))
    return share


def _share(train: Responses, test: Responses, _rule: BktRule) -> FloatArray:
    """The share model's next-response head."""
    return predict_next_response(fit_next_response(train), test)


def _logistic(train: Responses, test: Responses, _rule: BktRule) -> FloatArray:
    """The same regression, blind to items: skills stand for them. What accuracy costs without items."""
    return _share(_without_items(train), _without_items(test), _rule)


def _without_items(data: Responses) -> Responses:
    return replace(data, item=data.first_skill(), items=data.skills, has_items=False)


def _bkt(train: Responses, test: Responses, rule: BktRule) -> FloatArray:
    return _fitted_bkt(train, test, rule, "bkt")


def _bkt_forget(train: Responses, test: Responses, rule: BktRule) -> FloatArray:
    return _fitted_bkt(train, test, rule, "bkt_forget")


def _fitted_bkt(train: Responses, test: Responses, rule: BktRule, model: str) -> FloatArray:
    return predict_bkt(test, fitted_parameters(train, test, rule, model))


def fitted_parameters(train: Responses, test: Responses, rule: BktRule, model: str) -> FloatArray:
    """BKT's parameters (skills x 5) from the train pupils; the default's for skills that they never worked on."""
    fit = fit_responses(train, model, rule.bounds)
    parameters = np.tile(rule.default.row(), (len(test.skills), 1))
    seen = np.flatnonzero(fit.responses)
    parameters[seen] = fit.parameters[seen]
    return parameters


def _elo(train: Responses, test: Responses, _rule: BktRule) -> FloatArray:
    """Elo runs over both in turn: the train pupils teach it how hard items are."""
    user, item, correct = (np.r_[getattr(train, name), getattr(test, name)] for name in ("user", "item", "correct"))
    offsets = np.r_[train.entry_offsets(), train.skill.size + test.entry_offsets()[1:]]
    predicted = elo.predict(user, item, np.r_[train.skill, test.skill], offsets, correct)
    return predicted[train.user.size :]


MODELS: dict[str, Predictor] = {
    "share": _share,
    "logistic": _logistic,
    "bkt": _bkt,
    "bkt_forget": _bkt_forget,
    "elo": _elo,
}


def predict(train: Responses, test: Responses, model: str, rule: BktRule) -> FloatArray:
    """P(right) of each test response before it is seen.

    Raises UsageError for a model that is not there, CairnError where a pupil is in both (a pupil who taught the model
    would be predicted too well).
    """
    if model not in MODELS:
        raise UsageError(f"no model {model!r}: choose one of {', '.join(MODELS)}")
    for part, use in ((train, "learn from"), (test, "predict")):
        if not part.user.size:
            raise CairnError(f"there are no responses to {use}: give a file (or a framework) that has some")
    shared = np.intersect1d(train.user, test.user)
    if shared.size:
        named = ", ".join(train.users[code] for code in shared[:MOST_NAMED])
        more = f" and {shared.size - MOST_NAMED} more" if shared.size > MOST_NAMED else ""
        raise CairnError(f"pupils {named}{more} are in both files: split by pupil, each in one file only")
    return MODELS[model](train, test, rule)


def evaluate(train: Responses, test: Responses, model: str, rule: BktRule, plot: Path | None = None) -> dict[str, Any]:
    """Metrics (:func:`cairn.mastery.accuracy.measure`) of next-response predictions for the test pupils.

    ``twins`` counts test pupils whose responses are a copy of another pupil's, None where no items tell; ``left_out``
    names what the files cannot tell; the reliability plot goes to ``plot``. Raises as :func:`predict`.
    """
    predicted = predict(train, test, model, rule)
    if plot is not None:
        title = f"{model}: chance given and share right"
        write_plot(plot, title, reliability(test.correct, predicted))
    twins = find_twins(train, test) if test.has_items else []
    told = (("items", test.has_items), ("times", test.has_times))
    return {
        **measure(test, predicted),
        "twins": len(twins) if test.has_items else None,
        "twin_pupils": [f"{test.users[one]} = {test.users[other]}" for one, other in twins[:MOST_NAMED]],
        "left_out": [name for name, is_told in told if not is_told],
    }
