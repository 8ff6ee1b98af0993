"""Pupils by subgroup, of the subgroups that may be told of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cairn.mastery.bkt import IntArray
from cairn.privacy import held_back

# Pupils whose subgroup the file leaves empty.
NOT_TOLD = "not told"


def pupils_of_groups(groups: Sequence[str], present: IntArray, n_min: int) -> dict[str, IntArray]:
    """Pupils (codes) of each group that may be told of, by name.

    ``groups``: every pupil's group, "" for not told; ``present``: the pupils who count for its size.
    """
    names = np.array(groups, dtype=object)
    sizes = {str(name): int((names[present] == name).sum()) for name in sorted(set(names[present])) if name}
    hidden = held_back(sizes, n_min)
    return {name: np.flatnonzero(names == name) for name in sizes if name not in hidden}
