"""Where a bucket's pupils stood after the night, as gold has it, kept in memory by bucket up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

import lake
from cairn.mastery import arrow
from cairn.mastery.bkt import IntArray
from cairn.mastery.states import STANDING_COLUMNS
from cairn.settings import Settings
from spark_jobs import mastery_plan
from spark_jobs.mastery_plan import CODED_STATE, Index
from spark_jobs.night_record import STATE


@dataclass(frozen=True)
class Standing:
    """A bucket's standing pairs: the night's own index of them, whose ``row`` is the place in ``table``."""

    index: Index
    table: pa.Table

    def of_pupils(self, keys: IntArray) -> Index:
        """The index of some pupils' pairs alone (keys as in pupil_key)."""
        kept = np.flatnonzero(arrow.places_in(keys, self.index.pupil) >= 0)
        arrays = ("row", "key", "pupil", "pupil_counted", "next_us", "last_day")
        return replace(self.index, **{name: getattr(self.index, name)[kept] for name in arrays})


class StandingStates:
    """Buckets of gold.mastery_state at a version; those not asked for longest go first, one always stays."""

    def __init__(self, settings: Settings, version: int, most_bytes: int) -> None:
        self._settings, self._most_bytes = settings, most_bytes
        self._files = lake.by_number(lake.table_files(settings, STATE, lake.EVERY, version), "pupil_bucket")
        self._kept: OrderedDict[int, Standing] = OrderedDict()
        self.bytes = 0

    def bucket(self, number: int) -> Standing:
        """The bucket's standing pairs."""
        found = self._kept.get(number)
        if found is None:
            found = self._kept[number] = self._read(number)
            self.bytes += found.table.nbytes
        self._kept.move_to_end(number)
        while self.bytes > self._most_bytes and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= gone.table.nbytes
        return found

    def _read(self, number: int) -> Standing:
        files = self._files.get(number, [])
        if not files:
            none = np.zeros(0, dtype=np.int64)
            empty = lake.read_schema(STATE, STANDING_COLUMNS, CODED_STATE).empty_table()
            return Standing(Index([], [], none, none, none, none, none, none), empty)
        index = mastery_plan.read_index(self._settings, files)
        table = mastery_plan.standing_rows(self._settings, index, np.arange(index.row.size), STANDING_COLUMNS)
        order = np.argsort(index.row, kind="stable")
        arrays = ("key", "pupil", "pupil_counted", "next_us", "last_day")
        sorted_arrays = {name: getattr(index, name)[order] for name in arrays}
        return Standing(replace(index, row=np.arange(order.size), **sorted_arrays), table.combine_chunks())
