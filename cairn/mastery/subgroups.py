"""Which subgroups of pupils are too small to be told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cairn.mastery.bkt import IntArray

# Pupils whose subgroup the file leaves empty.
NOT_TOLD = "not told"


def held_back(pupils: Mapping[str, int], n_min: int) -> set[str]:
    """Names of groups of which nothing is told, by how many pupils each has; ``n_min``: the district's smallest group.

    Those under ``n_min``, and of the next larger ones as many as it takes for all that are held back to have ``n_min``
    pupils together: else what is left of a total, when the others are taken off, would tell on the few.
    """
    found: set[str] = set()
    together = 0
    for name, size in sorted(pupils.items(), key=lambda one: (one[1], one[0])):
        if size < n_min or 0 < together < n_min:
            found.add(name)
            together += size
    return found


def pupils_of_groups(groups: Sequence[str], present: IntArray, n_min: int) -> dict[str, IntArray]:
    """Pupils (codes) of each group that may be told of, by name.

    ``groups``: every pupil's group, "" for not told; ``present``: the pupils who count for its size.
    """
    names = np.array(groups, dtype=object)
    sizes = {str(name): int((names[present] == name).sum()) for name in sorted(set(names[present])) if name}
    hidden = held_back(sizes, n_min)
    return {name: np.flatnonzero(names == name) for name in sizes if name not in hidden}
