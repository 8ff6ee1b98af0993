"""What happens between the app and the gateway: lateness, repeats, malformed statements, conflicts and voiding.

Every line that will be sent is one entry of :class:`Lines`; lines refer to the event (index into ``Work``) they carry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.pupil_work import ATTEMPT, Work
from simulator.world import SOURCES, World

LATE_SHARE, MALFORMED_SHARE, DUPLICATE_SHARE, CONFLICT_SHARE, VOIDED_SHARE = 0.05, 0.005, 0.01, 0.0005, 0.002
LATE_DAYS_MAX = 5
NONE, DUPLICATE, CONFLICT, VOID = 0, 1, 2, 3
MALFORMED = 10  # and above: MALFORMED + k is MALFORMED_KINDS[k]
MALFORMED_KINDS = ("missing_actor", "bad_verb", "bad_score", "bad_timestamp", "broken_json")
FAULT_NAMES = {NONE: "", DUPLICATE: "duplicate", CONFLICT: "conflict", VOID: "void"} | {
    MALFORMED + k: name for k, name in enumerate(MALFORMED_KINDS)
}
DAY_US = 86_400_000_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """One entry a line to send, in the order of arrival (date, source, time).

    ``event`` index into Work; ``arrival_day`` days since 1970 in the district; ``fault`` one of the codes above;
    ``id`` of the statement; ``voiding_id`` the id a voiding statement has of its own; ``is_voided`` whether the
    event is retracted by a later line.
    """

    event: Ints
    arrival_day: Ints
    arrival_us: Ints
    fault: Ints
    id: list[str]
    is_voided: NDArray[np.bool_]
    is_late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.event)


def uuids(count: int, rng: np.random.Generator) -> list[str]:
    """Random UUIDs (version 4) from the generator."""
    raw = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = raw.tobytes().hex()
    return [
        "-".join(
            (text[i : i + 8], text[i + 8 : i + 12], text[i + 12 : i + 16], text[i + 16 : i + 20], text[i + 20 : i + 32])
        )
        for i in range(0, len(text), 32)
    ]


def _pick(eligible: Ints, share: float, total: int, rng: np.random.Generator) -> Ints:
    """A random share of ``total`` out of the eligible events, at least one where there is any."""
    count = min(len(eligible), max(1, round(total * share)))
    return np.sort(rng.choice(eligible, count, replace=False)) if count else eligible[:0]


def _later(day: Ints, us: Ints, last: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When a second line of the same statement arrives: mostly soon after, else the next morning."""
    n = len(day)
    next_day = (rng.random(n) < 0.3) & (day < last)
    soon = np.minimum(us + rng.integers(1_000_000, 60_000_000, n), DAY_US - 1)
    return day + next_day, np.where(next_day, rng.integers(5 * 3600, 9 * 3600, n) * 1_000_000, soon)


def make_lines(world: World, work: Work, seed: int) -> Lines:
    """Decide what arrives when, and what goes wrong with it."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    n = len(work)
    ordinal = np.array([np.datetime64(day, "D").astype(np.int64) for day in world.dates.days])
    work_day, last = ordinal[work.day], int(ordinal[-1])
    us = np.minimum(
        work.event_us - world.dates.midnight_us[work.day] + rng.integers(800_000, 20_000_000, n), DAY_US - 1
    )
    wanted = work_day + rng.integers(1, LATE_DAYS_MAX + 1, n)
    is_late = (rng.random(n) < LATE_SHARE) & (wanted <= last)
    day = np.where(is_late, wanted, work_day)
    us = np.where(is_late, rng.integers(5 * 3600, 22 * 3600, n) * 1_000_000 + rng.integers(0, 1_000_000, n), us)

    malformed = _pick(np.flatnonzero(work.kind == ATTEMPT), MALFORMED_SHARE, n, rng)
    free = np.ones(n, dtype=bool)
    free[malformed] = False
    is_xapi = np.array([source.format == "xapi" for source in SOURCES])[work.source]
    attempts = free & (work.kind == ATTEMPT)
    duplicates = _pick(np.flatnonzero(free), DUPLICATE_SHARE, n, rng)
    attempts[duplicates] = False
    conflicts = _pick(np.flatnonzero(attempts), CONFLICT_SHARE, n, rng)
    attempts[conflicts] = False
    voided = _pick(np.flatnonzero(attempts & is_xapi), VOIDED_SHARE, n, rng)

    fault = np.full(n, NONE)
    fault[malformed] = MALFORMED + np.arange(len(malformed)) % len(MALFORMED_KINDS)
    is_voided = np.zeros(n, dtype=bool)
    is_voided[voided] = True
    again = np.concatenate([duplicates, conflicts])
    again_day, again_us = _later(day[again], us[again], last, rng)
    void_us = np.minimum(us[voided] + rng.integers(600, 7200, len(voided)) * 1_000_000, DAY_US - 1)

    event = np.concatenate([np.arange(n), again, voided])
    arrival_day = np.concatenate([day, again_day, day[voided]])
    arrival_us = np.concatenate([us, again_us, void_us])
    codes = np.concatenate(
        [fault, np.full(len(duplicates), DUPLICATE), np.full(len(conflicts), CONFLICT), np.full(len(voided), VOID)]
    )
    ids = uuids(n, rng)
    ids += [ids[i] for i in again.tolist()] + uuids(len(voided), rng)
    # The original always comes first: ties in arrival are broken by position, and copies stand behind.
    order = np.lexsort((np.arange(len(event)), arrival_us, work.source[event], arrival_day))
    event = event[order]
    return Lines(
        event=event,
        arrival_day=arrival_day[order],
        arrival_us=arrival_us[order],
        fault=codes[order],
        id=[ids[i] for i in order.tolist()],
        is_voided=is_voided[event],
        is_late=arrival_day[order] > work_day[event],
    )
