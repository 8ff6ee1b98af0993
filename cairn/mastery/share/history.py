"""What was known of pupil, competency and item just before each response: what the next-response head is made of.

Rows are entries: one a response and skill, responses in order of work. A pupil's sums count a response once, however
many skills it has; a pair's are of the pupil on one skill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.groups import earlier_of_owner, sorted_offsets
from cairn.mastery.responses import Responses
from cairn.mastery.share.state import LAST_AT, PAIR, PUPIL, aged, states_before


@dataclass(frozen=True)
class History:
    """Of each entry (n), before its response. pair, pupil: states, faded to the response's instant.

    since_pair, since_pupil: seconds since the last work on the skill and of the pupil, NaN where there was none or no
    times are told. responses_since_pair: how many of the pupil's responses ago the skill was worked on, 1 the last,
    -1 never. run: responses in a row on the skill just before. skills_met: by the pupil, before. first_surplus: the
    residual on first attempts at a skill, fading. attempt: earlier attempts at the item; item_outcomes: the last three
    there, as bits behind a leading one; responses_since_item: as for the pair.
    """

    pair: FloatArray
    pupil: FloatArray
    since_pair: FloatArray
    since_pupil: FloatArray
    responses_since_pair: IntArray
    run: IntArray
    skills_met: IntArray
    first_surplus: FloatArray
    attempt: IntArray
    item_outcomes: IntArray
    responses_since_item: IntArray


def before_each(data: Responses, expected: FloatArray) -> History:
    """The history of each entry. ``expected``: the chance at the item's frozen difficulty, one a response."""
    response, skill = data.response, data.skill
    outcome = data.correct
    residual = outcome - expected
    at = data.at_seconds
    user = data.user[response]
    width = int(skill.max()) + 1 if skill.size else 1
    pair = np.unique(user * width + skill, return_inverse=True)[1].astype(np.int64)
    of_pair = states_before(pair, at[response], outcome[response], residual[response], PAIR, data.right_from)
    of_pupil = states_before(data.user, at, outcome, residual, PUPIL, data.right_from)
    items = int(data.item.max()) + 1 if data.item.size else 1
    cell = np.unique(data.user * items + data.item, return_inverse=True)[1].astype(np.int64)
    walked = _walk(
        sorted_offsets(data.user)[0], data.user, data.entry_offsets(), pair, skill, cell, data.right, residual
    )
    ages = at[response]
    attempt, item_outcomes, since_item, since_pair, run, skills_met, surplus = walked
    return History(
        pair=aged(of_pair, ages, PAIR),
        pupil=aged(of_pupil[response], ages, PUPIL),
        since_pair=ages - of_pair[:, LAST_AT],
        since_pupil=ages - of_pupil[response, LAST_AT],
        responses_since_pair=since_pair,
        run=run,
        skills_met=skills_met,
        first_surplus=surplus,
        attempt=attempt[response],
        item_outcomes=item_outcomes[response],
        responses_since_item=since_item[response],
    )


def attempts_at_items(data: Responses) -> IntArray:
    """How often the pupil had tried the item before each response; 0 where the file tells of no items."""
    if not data.has_items:
        return np.zeros(data.user.size, dtype=np.int64)
    items = int(data.item.max()) + 1 if data.item.size else 1
    return earlier_of_owner(data.user * items + data.item)


@numba.njit(cache=True, nogil=True)
def _walk(
    order: IntArray,
    user: IntArray,
    entries: IntArray,
    pair: IntArray,
    skill: IntArray,
    cell: IntArray,
    correct: ByteArray,
    residual: FloatArray,
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray, FloatArray]:
    """What depends on the order of a pupil's whole work: gaps in responses, runs, first attempts, the item's past."""
    responses, rows = user.size, pair.size
    attempt, outcomes = np.zeros(responses, np.int64), np.ones(responses, np.int64)
    since_item = np.full(responses, -1, np.int64)
    since_pair, run = np.full(rows, -1, np.int64), np.zeros(rows, np.int64)
    skills_met, surplus = np.zeros(rows, np.int64), np.zeros(rows)
    cells = cell.max() + 1 if responses else 0
    pairs = pair.max() + 1 if rows else 0
    tries, last_outcomes = np.zeros(cells, np.int64), np.ones(cells, np.int64)
    last_of_cell, last_of_pair = np.full(cells, -1, np.int64), np.full(pairs, -1, np.int64)
    who, place, met, in_a_row, last_skill = -1, 0, 0, 0, -1
    fading, weight = 0.0, 0.0
    for i in order:
        if user[i] != who:
            who, place, met, in_a_row, last_skill, fading, weight = user[i], 0, 0, 0, -1, 0.0, 0.0
        c = cell[i]
        attempt[i], outcomes[i] = tries[c], last_outcomes[c]
        if last_of_cell[c] >= 0:
            since_item[i] = place - last_of_cell[c]
        same = 0
        first = 0
        for e in range(entries[i], entries[i + 1]):
            p = pair[e]
            if last_of_pair[p] >= 0:
                since_pair[e] = place - last_of_pair[p]
            else:
                first += 1
            skills_met[e], surplus[e] = met, fading / (weight + 1.0)
            if skill[e] == last_skill:
                run[e], same = in_a_row, 1
            last_of_pair[p] = place
        if first > 0:
            fading, weight, met = fading * 0.9 + residual[i], weight * 0.9 + 1.0, met + first
        in_a_row = in_a_row + 1 if same else 1
        if entries[i + 1] > entries[i]:
            last_skill = skill[entries[i]]
        tries[c] += 1
        bits = last_outcomes[c] * 2 + correct[i]
        last_outcomes[c] = 8 + (bits & 7) if bits >= 16 else bits
        last_of_cell[c] = place
        place += 1
    return attempt, outcomes, since_item, since_pair, run, skills_met, surplus
