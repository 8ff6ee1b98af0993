"""The sums of pair and pupil as columns of gold.mastery_state, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow
from cairn.mastery.bkt import FloatArray
from cairn.mastery.share.formula import shares_with_interval
from cairn.mastery.share.model import ShareModel
from cairn.mastery.share.state import COUNT, DAY_SECONDS, FIXED, LAST_AT, LAST_FIVE, PAIR, PUPIL, WINS, Fading

US = 1e6


def _sums(fading: Fading, prefix: str) -> tuple[str, ...]:
    """The columns behind the fixed ones, in their order in a state."""
    tries = [f"{prefix}residual_over_{half:g}_tries" for half in fading.opportunities]
    days = [f"{prefix}{kind}_over_{half:g}_days" for half in fading.days for kind in ("work", "residual")]
    return (*tries, *days)


# The fixed columns by their place in a state, and the sums behind them. Credit is the sum of the outcomes.
PAIR_COUNTS = {COUNT: "counted_attempts", WINS: "counted_credit", LAST_FIVE: "last_outcomes"}
PUPIL_COUNTS = {COUNT: "pupil_counted", WINS: "pupil_credit", LAST_FIVE: "pupil_last_outcomes"}
# Of these the whole numbers.
WHOLE = frozenset(counts[place] for counts in (PAIR_COUNTS, PUPIL_COUNTS) for place in (COUNT, LAST_FIVE))
PAIR_SUMS, PUPIL_SUMS = _sums(PAIR, ""), _sums(PUPIL, "pupil_")
PUPIL_COLUMNS = (*PUPIL_COUNTS.values(), *PUPIL_SUMS)
# All that the share on a date is made of, the model apart; last_event_at is the last counted work of either.
SHARE_COLUMNS = (*PAIR_COUNTS.values(), *PAIR_SUMS, *PUPIL_COLUMNS)


def pair_states(table: pa.Table) -> FloatArray:
    """The pairs' states (rows x PAIR.width) from columns PAIR_COUNTS, PAIR_SUMS and last_event_at."""
    return _states(table, PAIR, PAIR_COUNTS, PAIR_SUMS)


def pupil_states(table: pa.Table) -> FloatArray:
    """The pupils' states (rows x PUPIL.width) as of the pairs' last counted work, from PUPIL_COLUMNS, last_event_at."""
    return _states(table, PUPIL, PUPIL_COUNTS, PUPIL_SUMS)


def _states(table: pa.Table, fading: Fading, counts: dict[int, str], sums: tuple[str, ...]) -> FloatArray:
    found = np.empty((table.num_rows, fading.width))
    for place, name in (*counts.items(), *enumerate(sums, start=FIXED)):
        found[:, place] = arrow.floats(table[name])
    last_at = arrow.integers(table["last_event_at"]) / US
    # Where nothing has counted yet, last_event_at is of work that does not count.
    found[:, LAST_AT] = np.where(found[:, COUNT] > 0, last_at, np.nan)
    return found


def state_columns(pair: FloatArray, pupil: FloatArray) -> dict[str, pa.Array]:
    """The columns of pairs' and pupils' states, whole numbers as 32-bit integers; LAST_AT is not among them."""
    found: dict[str, pa.Array] = {}
    for states, counts, sums in ((pair, PAIR_COUNTS, PAIR_SUMS), (pupil, PUPIL_COUNTS, PUPIL_SUMS)):
        for place, name in (*counts.items(), *enumerate(sums, start=FIXED)):
            values = np.ascontiguousarray(states[:, place])
            found[name] = pa.array(values.astype(np.int32) if name in WHOLE else values)
    return found


def shares_at(
    table: pa.Table, model: ShareModel, at_seconds: FloatArray, level: float, ahead_days: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(share, low, high) of rows of gold.mastery_state at an instant each, asked so many days ahead of it.

    ``table`` has competency_id, last_event_at and SHARE_COLUMNS, all of the model's version; at_seconds since 1970.
    """
    pair = pair_states(table)
    days = np.maximum(np.nan_to_num(at_seconds - pair[:, LAST_AT], nan=0.0), 0.0) / DAY_SECONDS + ahead_days
    codes, names = arrow.coded(table["competency_id"])
    row = model.rows(names)[codes] if names else np.zeros(0, dtype=np.int64)
    return shares_with_interval(pair, pupil_states(table), days, row, model.arrays, level)
