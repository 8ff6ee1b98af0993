"""Tables of responses, as research data and exports come: reading them, and predicting the next response.

A response with several skills is predicted once (the mean over its skills) and then updates each of them: expanding it
into rows and predicting one by one would show each row the outcome of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cairn.errors import CairnError, UsageError
from cairn.mastery import arrow, bkt, elo
from cairn.mastery.accuracy import metrics
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray, Parameters
from cairn.mastery.fit import Bounds, Fit, fit_bkt, make_sequences

MODELS = ("bkt", "bkt_forget", "elo")
NEEDED = ("user_id", "skill_id", "correct")
SKILL_SEPARATOR = "~~"


@dataclass(frozen=True)
class Responses:
    """Responses in order of work. user, item, correct: one a response (n); no item column: the skill stands for it.

    response, skill: one entry a response and skill (m >= n), ``response`` ascending. skills: names of the skill codes.
    """

    user: IntArray
    item: IntArray
    correct: ByteArray
    response: IntArray
    skill: IntArray
    skills: list[Any]

    def of(self, chosen: Any) -> Responses:
        """The responses that ``chosen`` (a mask over responses) names, codes kept."""
        entries = chosen[self.response]
        renumbered = np.cumsum(chosen) - 1
        return Responses(
            self.user[chosen],
            self.item[chosen],
            self.correct[chosen],
            renumbered[self.response[entries]],
            self.skill[entries],
            self.skills,
        )


def read_table(path: Path) -> Any:
    """The file as an Arrow table. Raises CairnError naming the file where it cannot be read or lacks a column."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.is_file():
        raise CairnError(f"{path}: no such file: give a parquet or csv of responses ({', '.join(NEEDED)})")
    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise CairnError(f"{path}: neither parquet nor csv ({str(error).splitlines()[0]}): export it again") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise CairnError(f"{path}: column {', '.join(missing)} is missing: the file needs {', '.join(NEEDED)}")
    return table


def _order(table: Any) -> IntArray:
    """Order of work: by timestamp or t where there is one; equal ones, and all without, keep the file's order."""
    for name in ("timestamp", "t"):
        if name in table.column_names:
            codes, _ = arrow.coded(table[name])
            return np.argsort(codes, kind="stable").astype(np.int64)
    return np.arange(table.num_rows)


def responses_from(tables: list[tuple[Path, Any]]) -> list[Responses]:
    """Each table's responses, with codes shared between them. Raises CairnError where ``correct`` is not 0 or 1."""
    import pyarrow as pa

    parts = []
    for path, table in tables:
        has_item = "item_id" in table.column_names
        names = {name: table[name].cast(pa.string()) for name in ("user_id", "skill_id")}
        columns = {**names, "item_id": (table["item_id"] if has_item else table["skill_id"]).cast(pa.string())}
        correct = arrow.floats(table["correct"])
        if not np.isin(correct, (0.0, 1.0)).all():
            row = int(np.flatnonzero(~np.isin(correct, (0.0, 1.0)))[0])
            raise CairnError(f"{path}: row {row + 1}: correct is neither 0 nor 1: score the responses first")
        parts.append(pa.table(columns).append_column("correct", pa.array(correct.astype(np.int8))).take(_order(table)))
    whole = pa.concat_tables(parts)
    user, _ = arrow.coded(whole["user_id"])
    item, _ = arrow.coded(whole["item_id"])
    response, skill, skills = _skills(whole["skill_id"])
    everything = Responses(user, item, whole["correct"].to_numpy().astype(np.int8), response, skill, skills)
    part = np.repeat(np.arange(len(parts)), [table.num_rows for table in parts])
    return [everything.of(part == i) for i in range(len(parts))]


def _skills(column: Any) -> tuple[IntArray, IntArray, list[Any]]:
    """(response, skill code) entries and skill names; ``a~~b`` is two skills."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = pc.split_pattern(column, SKILL_SEPARATOR).combine_chunks()
    codes, names = arrow.coded(pc.list_flatten(lists))
    parents = pc.list_parent_indices(lists).cast(pa.int64()).to_numpy()
    return parents, codes, names


def fit_responses(data: Responses, model: str, bounds: Bounds | None) -> Fit:
    """Fit BKT to every skill; skills without responses get EM's first start. Raises UsageError for another model."""
    if model not in ("bkt", "bkt_forget"):
        raise UsageError(f"model {model!r} has nothing to fit by itself: choose bkt or bkt_forget")
    sequences, _ = make_sequences(data.skill, data.user[data.response], data.correct[data.response])
    return fit_bkt(sequences, bounds, has_forget=model == "bkt_forget")


def predict_bkt(data: Responses, parameters: FloatArray) -> FloatArray:
    """P(right) of each response before it is seen: the mean over its skills; ``parameters`` has one row a skill."""
    user = data.user[data.response]
    sequences, order = make_sequences(data.skill, user, data.correct[data.response])
    of_skill = np.repeat(np.arange(sequences.skills), np.diff(sequences.skill_offsets)).astype(np.int64)
    _, predicted, _ = bkt.forward(sequences.correct, sequences.offsets, of_skill, parameters)
    response = data.response[order]
    size = data.user.size
    total = np.bincount(response, weights=predicted, minlength=size)
    share: FloatArray = total / np.maximum(1, np.bincount(response, minlength=size))
    return share


def evaluate(
    train: Responses, test: Responses, model: str, bounds: Bounds | None, default: Parameters
) -> dict[str, Any]:
    """Metrics of next-response predictions for the test students, fitted on the train students only.

    Skills that training has not seen are predicted with ``default``. Elo runs over both in turn and is judged on the
    test students. Raises UsageError for a model that is not there.
    """
    if model not in MODELS:
        raise UsageError(f"no model {model!r}: choose one of {', '.join(MODELS)}")
    if model == "elo":
        both = [np.r_[getattr(train, name), getattr(test, name)] for name in ("user", "item")]
        first = [part.skill[np.searchsorted(part.response, np.arange(part.user.size))] for part in (train, test)]
        outcomes = np.r_[train.correct, test.correct]
        predicted = elo.predict(both[0], both[1], np.concatenate(first), outcomes)[train.user.size :]
    else:
        fit = fit_responses(train, model, bounds)
        parameters = np.tile(default.row(), (len(test.skills), 1))
        seen = np.flatnonzero(fit.responses)
        parameters[seen] = fit.parameters[seen]
        predicted = predict_bkt(test, parameters)
    return metrics(test.correct, predicted, test.user)
