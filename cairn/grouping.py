"""Who works in a small group with whom, and on what: with a memory, so that a group stays until there is a reason.

Pure: needs, last night's members and the school's locks in; tonight's members and those who left, with the reason, out.
``docs/decisions/0016-groups-with-memory.md`` says why it is done so. What holds, whatever comes in (property tests):

- nobody is in two groups; nobody is in a group for what she does not need, but by a lock;
- no group is under ``smallest`` or over ``largest``, but one that the school has locked may be larger;
- who was in a group and is not any more has one reason of :data:`cairn.group_members.REASONS`;
- a locked member stays as long as she is at the school, and a group with a locked member takes nobody new;
- the same input, in any order, gives the same groups.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from cairn.group_members import Left, Lock, Member, Need, Standing
from cairn.group_rules import GroupRules

MOST_ROUNDS = 20
MASTERED_STATES = ("mastered", "review_due")


@dataclass
class _Group:
    """A group in the making; seats by pupil."""

    group_id: str
    since_date: date
    school_id: str
    competency_id: str
    seats: dict[str, Member] = field(default_factory=dict)

    @property
    def is_closed(self) -> bool:
        """Whether the school has locked somebody in it: then it takes nobody new."""
        return any(seat.is_locked for seat in self.seats.values())

    def home(self) -> str:
        """The class that most members are in, the lowest of several."""
        counts = Counter(seat.class_id for seat in self.seats.values())
        return min(counts, key=lambda class_id: (-counts[class_id], class_id)) if counts else ""


def assign(
    needs: Iterable[Need], standing: Iterable[Standing], locks: Iterable[Lock], rules: GroupRules, today: date
) -> tuple[list[Member], list[Left]]:
    """Tonight's members, and who left since last night, both in a stable order."""
    making = _Making(list(needs), rules, today)
    making.keep(sorted(standing, key=lambda one: (one.group_id, one.student_key)), locks)
    making.part_classes()
    making.shrink()
    # Who goes to something more urgent leaves room, or a group that is too small; a few rounds settle it.
    for _ in range(MOST_ROUNDS):
        seated = dict(making.seat_of)
        making.fill()
        making.dissolve()
        if making.seat_of == seated:
            break
    while making.dissolve():
        pass
    members = [seat for group in making.groups.values() for seat in group.seats.values()]
    order = making.order_of
    return (
        sorted(members, key=lambda seat: (seat.school_id, seat.group_id, order(seat))),
        sorted(making.left.values(), key=lambda one: (one.school_id, one.group_id, one.student_key)),
    )


def _one_lock_a_pupil(locks: Iterable[Lock]) -> list[Lock]:
    """Of a pupil's locks the first by competency: nobody can be locked into two groups."""
    first: dict[str, Lock] = {}
    for lock in sorted(locks, key=lambda one: (one.student_key, one.competency_id, one.school_id)):
        first.setdefault(lock.student_key, lock)
    return list(first.values())


class _Making:
    """The groups of one night, step by step; every pupil has at most one seat at any moment."""

    def __init__(self, needs: Sequence[Need], rules: GroupRules, today: date) -> None:
        self.rules, self.today = rules, today
        self.needs = {(one.student_key, one.competency_id): one for one in sorted(needs, key=_urgency)}
        self.of_school: dict[str, list[Need]] = defaultdict(list)
        for one in sorted(self.needs.values(), key=_urgency):
            self.of_school[one.school_id].append(one)
        self.groups: dict[str, _Group] = {}
        self.groups_of: dict[str, dict[str, _Group]] = defaultdict(dict)
        self.seat_of: dict[str, str] = {}
        self.left: dict[tuple[str, str], Left] = {}
        self.joined: dict[tuple[str, str], date] = {}

    def order_of(self, seat: Member) -> tuple[bool, float, str]:
        """Who needs it most first; who is there by a lock alone comes last."""
        need = self.needs.get((seat.student_key, seat.competency_id))
        return (need is None or not need.is_stuck, need.share if need else 2.0, seat.student_key)

    def keep(self, standing: Sequence[Standing], locks: Iterable[Lock]) -> None:
        """Last night's groups without those who have a reason to leave, and the groups that the school has locked."""
        lock_of = self._locks_that_hold(standing, locks)
        # Where memory has a pupil twice, she keeps the (first) group that she is locked into, else the first.
        can_lock = {id(one): self._is_locked_here(one, lock_of.get(one.student_key)) for one in standing}
        for one in sorted(standing, key=lambda row: not can_lock[id(row)]):
            self.joined[(one.student_key, one.group_id)] = one.joined_date
            is_locked = can_lock[id(one)] and one.student_key not in self.seat_of
            reason = None if is_locked else self._reason(one, one.student_key in lock_of)
            if reason is not None:
                self._leave(one, reason)
                continue
            seat = Member(
                group_id=one.group_id,
                group_since_date=one.group_since_date,
                student_key=one.student_key,
                school_id=one.school_id,
                class_id=one.class_now or "",
                competency_id=one.competency_id,
                joined_date=one.joined_date,
                is_new=False,
                is_locked=is_locked,
            )
            self._seat(self._group(one.group_id, one.group_since_date, one.school_id, one.competency_id), seat)
        self._seat_locked([lock for student_key, lock in lock_of.items() if student_key not in self.seat_of])

    def _locks_that_hold(self, standing: Sequence[Standing], locks: Iterable[Lock]) -> dict[str, Lock]:
        """By pupil, the locks that can make or keep a group: she stands in it, or a fellow is locked there too."""
        first = {lock.student_key: lock for lock in _one_lock_a_pupil(locks)}
        fellows = Counter(self._together(lock) for lock in first.values())
        own = {one.student_key for one in standing if self._is_locked_here(one, first.get(one.student_key))}
        return {key: lock for key, lock in first.items() if key in own or fellows[self._together(lock)] > 1}

    def _together(self, lock: Lock) -> tuple[str, str, str]:
        return lock.school_id, self._pool(lock.school_id, lock.class_id), lock.competency_id

    @staticmethod
    def _is_locked_here(one: Standing, lock: Lock | None) -> bool:
        return (
            lock is not None
            and (lock.competency_id, lock.school_id) == (one.competency_id, one.school_id)
            and one.class_now is not None
        )

    def _reason(self, one: Standing, is_locked_elsewhere: bool) -> str | None:
        """Why a member who is not locked leaves; None where she stays."""
        if one.class_now is None:
            return "left_class"
        if one.state_now in MASTERED_STATES:
            return "mastered"
        if is_locked_elsewhere:
            return "locked_elsewhere"
        need = self.needs.get((one.student_key, one.competency_id))
        if need is None or need.school_id != one.school_id:
            return "not_needed"
        return "one_group" if one.student_key in self.seat_of else None

    def _seat_locked(self, locks: Sequence[Lock]) -> None:
        """Pupils whom the school has locked and who stand in no group of it yet: into that of their fellows."""
        together: dict[tuple[str, str, str], list[Lock]] = defaultdict(list)
        for lock in locks:
            together[self._together(lock)].append(lock)
        for (school_id, pool, competency_id), fellows in sorted(together.items()):
            there = [
                group
                for _, group in sorted(self.groups_of[school_id].items())
                if group.competency_id == competency_id
                and group.is_closed
                and self._pool(school_id, group.home()) == pool
            ]
            # One pupil is no group: she stays free for others.
            if not there and len(fellows) < 2:
                continue
            group = there[0] if there else self._new(school_id, competency_id, fellows[0].student_key)
            for lock in fellows:
                self._seat(group, self._fresh(group, lock.student_key, lock.class_id, is_locked=True))

    def part_classes(self) -> None:
        """Where the school groups within classes, who is of another class than most of her group has left the class."""
        for group in self.groups.values():
            if not self.rules.groups_across(group.school_id):
                home = group.home()
                for seat in list(group.seats.values()):
                    if seat.class_id != home and not seat.is_locked:
                        self._unseat(group, seat, "left_class")

    def shrink(self) -> None:
        """Groups over their size lose those who need it least."""
        for group in self.groups.values():
            for seat in sorted(group.seats.values(), key=self.order_of, reverse=True):
                if len(group.seats) > self.rules.largest and not seat.is_locked:
                    self._unseat(group, seat, "too_large")

    def fill(self) -> None:
        """Free pupils into groups that have room, then into new ones."""
        for school_id, needs in sorted(self.of_school.items()):
            self._join(school_id, needs)
            self._found(school_id, needs)

    def _is_free(self, need: Need) -> bool:
        """Whether a pupil may take a seat for the need: she has none, or one for something less urgent."""
        group_id = self.seat_of.get(need.student_key)
        if group_id is None:
            return True
        group = self.groups[group_id]
        seat = group.seats[need.student_key]
        present = self.needs.get((need.student_key, group.competency_id))
        return (
            need.is_stuck
            and not seat.is_locked
            and present is not None
            and not present.is_stuck
            and need.competency_id != group.competency_id
        )

    def _join(self, school_id: str, needs: Sequence[Need]) -> None:
        room: dict[tuple[str, str], list[_Group]] = defaultdict(list)
        for _, group in sorted(self.groups_of[school_id].items()):
            if not group.is_closed:
                room[(self._pool(school_id, group.home()), group.competency_id)].append(group)
        for need in needs:
            for group in room.get((self._pool(school_id, need.class_id), need.competency_id), ()):
                if len(group.seats) < self.rules.largest and group.seats and self._is_free(need):
                    self._take(group, need)
                    break

    def _found(self, school_id: str, needs: Sequence[Need]) -> None:
        """New groups, where most are stuck first, then where most are."""
        waiting: dict[tuple[str, str], list[Need]] = defaultdict(list)
        keys_of: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for need in needs:
            if self._is_free(need):
                key = (self._pool(school_id, need.class_id), need.competency_id)
                waiting[key].append(need)
                keys_of[need.student_key].add(key)
        places = self._places(school_id, {pool for pool, _ in waiting})
        while True:
            able = [key for key, found in waiting.items() if len(found) >= self.rules.smallest and places[key[0]] > 0]
            if not able:
                return
            best = min(able, key=lambda key: (-sum(one.is_stuck for one in waiting[key]), -len(waiting[key]), key))
            taken = waiting[best][: self._size(len(waiting[best]), places[best[0]])]
            group = self._new(school_id, best[1], taken[0].student_key)
            for need in taken:
                self._take(group, need)
                for key in keys_of[need.student_key]:
                    waiting[key] = [one for one in waiting[key] if one.student_key != need.student_key]
            places[best[0]] -= 1

    def _size(self, waiting: int, places: int) -> int:
        """How many of those who wait a group takes: even groups rather than a full one and a rest."""
        groups = -(-waiting // self.rules.largest)
        even = -(-waiting // groups)
        return even if groups <= places and even >= self.rules.smallest else min(waiting, self.rules.largest)

    def _places(self, school_id: str, pools: Iterable[str]) -> dict[str, int]:
        """How many more groups a class may have; a school across its classes, as many as all of them together."""
        standing = Counter(
            self._pool(school_id, group.home()) for group in self.groups_of[school_id].values() if group.seats
        )
        classes = len({need.class_id for need in self.of_school[school_id]})
        return {pool: self.rules.per_class * (1 if pool else classes) - standing[pool] for pool in pools}

    def dissolve(self) -> bool:
        """End the groups that are too small; whether there was one."""
        small = [
            group
            for group in self.groups.values()
            if len(group.seats) < (2 if group.is_closed else self.rules.smallest)
        ]
        for group in small:
            for seat in list(group.seats.values()):
                self._unseat(group, seat, "too_small")
            del self.groups[group.group_id], self.groups_of[group.school_id][group.group_id]
        return bool(small)

    def _pool(self, school_id: str, class_id: str) -> str:
        """Among whom a pupil of the class is grouped: the class, or (empty) the whole school."""
        return "" if self.rules.groups_across(school_id) else class_id

    def _group(self, group_id: str, since_date: date, school_id: str, competency_id: str) -> _Group:
        group = self.groups.setdefault(group_id, _Group(group_id, since_date, school_id, competency_id))
        self.groups_of[group.school_id][group_id] = group
        return group

    def _new(self, school_id: str, competency_id: str, first: str) -> _Group:
        """A group with an identifier of its own: nobody begins two groups on one competency and day."""
        content = "|".join((school_id, competency_id, first, self.today.isoformat()))
        group_id = f"g{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        return self._group(group_id, self.today, school_id, competency_id)

    def _fresh(self, group: _Group, student_key: str, class_id: str, *, is_locked: bool) -> Member:
        """A seat that was free; who had left it tonight and comes back has never left."""
        place = (student_key, group.group_id)
        self.left.pop(place, None)
        return Member(
            group_id=group.group_id,
            group_since_date=group.since_date,
            student_key=student_key,
            school_id=group.school_id,
            class_id=class_id,
            competency_id=group.competency_id,
            joined_date=self.joined.get(place, self.today),
            is_new=place not in self.joined,
            is_locked=is_locked,
        )

    def _take(self, group: _Group, need: Need) -> None:
        """Seat a pupil, who leaves what is less urgent."""
        before = self.seat_of.get(need.student_key)
        if before is not None:
            self._unseat(self.groups[before], self.groups[before].seats[need.student_key], "more_urgent")
        self._seat(group, self._fresh(group, need.student_key, need.class_id, is_locked=False))

    def _seat(self, group: _Group, seat: Member) -> None:
        group.seats[seat.student_key] = replace(seat, group_since_date=group.since_date)
        self.seat_of[seat.student_key] = group.group_id

    def _unseat(self, group: _Group, seat: Member, reason: str) -> None:
        del group.seats[seat.student_key]
        del self.seat_of[seat.student_key]
        # Who came tonight and went again, with the group that did not come about, has left nothing.
        if not seat.is_new:
            self._note(Left(group.group_id, seat.student_key, group.school_id, group.competency_id, reason))

    def _leave(self, one: Standing, reason: str) -> None:
        self._note(Left(one.group_id, one.student_key, one.school_id, one.competency_id, reason))

    def _note(self, left: Left) -> None:
        self.left[(left.student_key, left.group_id)] = left


def _urgency(need: Need) -> tuple[bool, float, str, str, str]:
    return (not need.is_stuck, need.share, need.student_key, need.competency_id, need.school_id)
