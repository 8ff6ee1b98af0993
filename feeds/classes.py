"""Rows of a school by class: sorted once, so that each class's are one stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Values: TypeAlias = pa.Array | pa.ChunkedArray


@dataclass(frozen=True)
class ByClass:
    """Places of rows in the order of their classes, each class's in the order they had; rows of no class are left out.

    ``starts`` and ``counts`` say where each class's stretch begins and how many rows it has.
    """

    order: pa.Array
    starts: dict[str, int]
    counts: dict[str, int]

    @classmethod
    def of(cls, class_ids: Values) -> ByClass:
        """From the class of each row."""
        coded = class_ids.dictionary_encode()
        whole = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        places = pc.indices_nonzero(whole.is_valid())
        codes = whole.indices.take(places).to_numpy()
        counts = np.bincount(codes, minlength=len(whole.dictionary)).tolist()
        starts = np.cumsum([0, *counts])[:-1].tolist()
        known = whole.dictionary.to_pylist()
        order = places.take(pa.array(np.argsort(codes, kind="stable")))
        return cls(order, dict(zip(known, starts, strict=True)), dict(zip(known, counts, strict=True)))

    def of_class(self, class_id: str) -> tuple[int, int]:
        """Where a class's stretch begins in what :meth:`sorted` gives, and its length."""
        return self.starts.get(class_id, 0), self.counts.get(class_id, 0)

    def sorted(self, table: pa.Table) -> pa.Table:
        """The rows by class."""
        return table.take(self.order)

    def joined(self, lines: pa.Array) -> dict[str, bytes]:
        """Each class's lines as one text, UTF-8."""
        ends = pa.array([0, *np.cumsum([*self.counts.values()])], pa.int32())
        texts = pc.binary_join(pa.ListArray.from_arrays(ends, lines.take(self.order)), "").cast(pa.binary())
        return dict(zip(self.counts, texts.to_pylist(), strict=True))
