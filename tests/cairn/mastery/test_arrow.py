"""The search for keys among keys, on which nights and the ledger rest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.mastery.arrow import places_in

# Few small numbers, so that many are equal and many slots collide, and the ends of the range.
KEYS = st.lists(st.one_of(st.integers(-20, 20), st.sampled_from([-(2**63), 2**63 - 1])), max_size=60)


# The first example may wait for the kernel to be compiled.
@settings(deadline=None)
@given(KEYS, KEYS)
def test_each_value_is_found_at_its_first_place_or_nowhere(keys: list[int], values: list[int]) -> None:
    wanted = [keys.index(value) if value in keys else -1 for value in values]
    found = places_in(np.array(keys, dtype=np.int64), np.array(values, dtype=np.int64))
    assert found.tolist() == wanted


def test_hashes_are_found_as_numbers_are() -> None:
    keys = np.array([1, 2**63, 2**64 - 1], dtype=np.uint64)
    assert places_in(keys, np.array([2**64 - 1, 3, 2**63], dtype=np.uint64)).tolist() == [2, -1, 1]
