"""Which policy is in force when, for some pairs, as the compiled walk and the rows of gold take it.

A pair's policy at an instant is that of its competency's subject (:meth:`cairn.mastery.config.MasteryConfig.timeline`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cairn.mastery.bkt import IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.policy_versions import EVER, SharePolicy, subject_key

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Schedule:
    """Timelines of policies, one behind the other, and each pair's.

    policies: the different ones, versions: their versions. offsets (timelines + 1) bounds the parts of each timeline:
    begins_us (ascending; the first part of each begins EVER) and policy_of, the place of the policy that is in force
    from then until the next part begins. of_pair: the place of each pair's timeline.
    """

    policies: tuple[SharePolicy, ...]
    versions: tuple[str, ...]
    offsets: IntArray
    begins_us: IntArray
    policy_of: IntArray
    of_pair: IntArray

    @classmethod
    def of(
        cls, config: MasteryConfig, competency: IntArray, names: Sequence[str], subject_of: Mapping[str, str] | None
    ) -> Schedule:
        """That of pairs: ``competency`` is the place of each one's in ``names``; ``subject_of`` its subject, by id.

        A competency without a subject has the policy of all. Raises ValueError where a subject has a policy of its own
        and nobody says of which subject competencies are.
        """
        subjects = ("", *config.subjects)
        if len(subjects) > 1 and subject_of is None:
            raise ValueError("policies differ by subject: say of which subject the competencies are")
        places = {subject: place for place, subject in enumerate(subjects)}
        of_name = [places.get(subject_key((subject_of or {}).get(name)), 0) for name in names]
        parts = [(place, one) for place, subject in enumerate(subjects) for one in config.timeline(subject)]
        by_version = {one.version: one.policy for _, one in parts}
        versions = tuple(by_version)
        return cls(
            policies=tuple(by_version.values()),
            versions=versions,
            offsets=np.searchsorted([place for place, _ in parts], np.arange(len(subjects) + 1)).astype(np.int64),
            begins_us=np.array([one.begins_us for _, one in parts], dtype=np.int64),
            policy_of=np.array([versions.index(one.version) for _, one in parts], dtype=np.int64),
            of_pair=np.array(of_name, dtype=np.int64)[competency] if names else np.zeros(0, dtype=np.int64),
        )

    @classmethod
    def always(cls, policy: SharePolicy, pairs: int) -> Schedule:
        """One policy for all pairs and times."""
        zero = np.zeros(1, dtype=np.int64)
        return cls((policy,), ("",), np.array([0, 1]), zero + EVER, zero, np.zeros(pairs, dtype=np.int64))

    @property
    def items(self) -> int:
        """How many different items a pair must remember: as many as any of the policies asks for."""
        return max(one.minimum.items for one in self.policies)

    def part(self, pair: IntArray, at_us: IntArray) -> IntArray:
        """The place of the part of its timeline that a pair is in at an instant (rows)."""
        found = np.zeros(pair.size, dtype=np.int64)
        if self.begins_us.size == 1:
            return found
        timeline = self.of_pair[pair]
        for place in np.unique(timeline).tolist():
            begin, end = self.offsets[place : place + 2].tolist()
            ours = timeline == place
            found[ours] = begin - 1 + np.searchsorted(self.begins_us[begin:end], at_us[ours], side="right")
        return found

    def versions_at(self, pair: IntArray, at_us: IntArray) -> pa.DictionaryArray:
        """The version of the policy that is in force for a pair at an instant (rows)."""
        codes = self.policy_of[self.part(pair, at_us)]
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(self.versions, pa.string()))

    def is_beginning(self, pair: IntArray, at_us: IntArray) -> BoolArray:
        """Whether a pair's policy comes into force at just that instant (rows)."""
        found: BoolArray = self.begins_us[self.part(pair, at_us)] == at_us
        return found
