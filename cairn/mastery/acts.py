"""Acts of a table of responses: logs write one answer on several skills as several rows of one ``order_id``.

Read row by row, each of them but the first would be predicted after the model had seen its outcome.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.errors import CairnError

ORDER_ID = "order_id"
ROW = "row_of_act"


def one_row_an_act(path: Path, table: pa.Table, separator: str) -> pa.Table:
    """The table with rows of one pupil, ``order_id`` and item as one, their skills joined by ``separator``.

    Where a row has no ``order_id`` it stands alone. Raises CairnError naming the row where rows of one act have
    different outcomes.
    """
    if ORDER_ID not in table.column_names or table[ORDER_ID].null_count == table.num_rows:
        return table
    keys = [name for name in ("user_id", ORDER_ID, "item_id") if name in table.column_names]
    numbered = table.select([*keys, "skill_id", "correct"]).append_column(ROW, pa.array(np.arange(table.num_rows)))
    named = numbered.filter(pc.is_valid(numbered[ORDER_ID]))
    wanted = [("skill_id", "list"), ("correct", "min"), ("correct", "max"), (ROW, "min"), (ROW, "count")]
    acts = named.group_by(keys, use_threads=False).aggregate(wanted)
    several = acts.filter(pc.greater(acts[f"{ROW}_count"], 1))
    if several.num_rows == 0:
        return table
    at_odds = several.filter(pc.not_equal(several["correct_min"], several["correct_max"]))
    if at_odds.num_rows:
        row = pc.min(at_odds[f"{ROW}_min"]).as_py() + 1
        raise CairnError(f"{path}: row {row}: rows of one {ORDER_ID} have different outcomes: an act has one")
    skills = table["skill_id"].to_pylist()
    for row, found in zip(several[f"{ROW}_min"].to_pylist(), several["skill_id_list"].to_pylist(), strict=True):
        skills[row] = separator.join(dict.fromkeys(found))
    alone = numbered.filter(pc.is_null(numbered[ORDER_ID]))[ROW].to_pylist()
    kept = np.sort(np.array([*acts[f"{ROW}_min"].to_pylist(), *alone], dtype=np.int64))
    place = table.schema.get_field_index("skill_id")
    return table.set_column(place, "skill_id", pa.array(skills, pa.string())).take(kept)
