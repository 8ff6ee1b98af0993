"""What happens after "mastered": do pupils answer as was promised, on the next five first attempts?

Each pair is followed to the first attempt after which the policy calls it mastered; what came next is held against the
share that was promised there. Pairs with fewer than five more attempts are counted apart: pupils stop where they are
done, so those who go on are no random sample, and on a file where practice ends at three right in a row they are those
who failed. The next answer alone is told for all, for that reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from cairn.errors import UsageError
from cairn.mastery import bkt, steadiness
from cairn.mastery.accuracy import drawn_mean
from cairn.mastery.bkt import GUESS, SLIP, FloatArray, IntArray
from cairn.mastery.next_ten import covered
from cairn.mastery.plain_logistic import CALLS_FROM, next_answer_chances
from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.predictors import BktRule, fitted_parameters
from cairn.mastery.responses import Responses
from cairn.mastery.share.doubt_fit import NEXT
from cairn.mastery.share.durable import (
    Evidence,
    evidence_of,
    evidence_on,
    fit_durable,
    following,
    gap_to_next,
)
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.share.state import COUNT, DAY_SECONDS
from cairn.mastery.subgroups import NOT_TOLD
from cairn.privacy import held_back

BoolArray = npt.NDArray[np.bool_]

# P(known) from which Bayesian Knowledge Tracing calls a pupil mastered (Corbett and Anderson 1995).
BKT_GAIN = 0.95
# Fewer of the next five right than this share: the promise was broken for that pair.
BROKEN = 0.6
# Days between the call and the next answer that are told apart.
GAPS = ((0.0, 1.0), (1.0, 4.0), (4.0, 14.0), (14.0, 60.0), (60.0, np.inf))


@dataclass(frozen=True)
class Calls:
    """Of each row of evidence: the share promised behind it, and whether the policy says mastered there.

    steadiness: how often what was said was taken back (:func:`cairn.mastery.steadiness.told`); None where that is not
    known: for other policies, and where no times are told. next_ten: how the interval did on the next ten answers
    (:func:`cairn.mastery.next_ten.covered`); None for policies without one.
    """

    evidence: Evidence
    promised: FloatArray
    is_mastered: BoolArray
    steadiness: dict[str, Any] | None = None
    next_ten: dict[str, Any] | None = None


Caller = Callable[[Responses, Responses, BktRule, SharePolicy], Calls]


def after_mastery(
    train: Responses,
    test: Responses,
    model: str,
    rule: BktRule,
    policy: SharePolicy,
    spacing_seconds: float,
    smallest_group: int,
) -> dict[str, Any]:
    """Follow the test pupils past "mastered", the model fitted on the train pupils' counted attempts.

    ``model`` is share, or bkt or bkt_forget by BKT_GAIN; the policy's minimum of evidence (days in UTC) holds for all,
    so that they can be compared. Of subgroups of fewer pupils than ``smallest_group`` nothing is told. Raises
    UsageError for a model that calls nobody mastered by itself.

    logistic_called_pairs: those that the plain regression (:mod:`cairn.mastery.plain_logistic`) would call with the
    same evidence; called_of_logistic_pct: how many of these are called too: calling nobody keeps every promise.
    """
    check_caller(model)
    seen, unseen = (part.of(part.first_attempts(spacing_seconds)) for part in (train, test))
    calls = CALLERS[model](seen, unseen, rule, policy)
    enough = has_enough(calls.evidence, policy.minimum)
    dropped = [name for name, told in (("items", test.has_items), ("days", test.has_times)) if not told]
    plain = next_answer_chances(seen, calls.evidence) >= CALLS_FROM
    return {
        **_told(calls, enough),
        **of_those_that_the_logistic_calls(calls, plain, enough),
        "by_subgroup": by_subgroup(calls, enough, smallest_group),
        "clauses_dropped": dropped,
    }


def check_caller(model: str) -> None:
    """Raises UsageError for a model that calls nobody mastered by itself."""
    if model not in CALLERS:
        raise UsageError(f"--policy judges what calls pupils mastered: choose {', '.join(CALLERS)}, not {model!r}")


def has_enough(evidence: Evidence, minimum: EvidenceMinimum) -> BoolArray:
    """Whether each row completes the evidence minimum; clauses that the file cannot tell are dropped."""
    has_items, has_days = evidence_told(evidence, minimum)
    return has_items & has_days


def evidence_told(evidence: Evidence, minimum: EvidenceMinimum) -> tuple[BoolArray, BoolArray]:
    """(attempts and items, days): whether each row has enough of them; what the file cannot tell is enough."""
    data = evidence.data
    day = np.floor(np.nan_to_num(evidence.at_seconds) / DAY_SECONDS).astype(np.int64)
    items = different_so_far(evidence.offsets, data.item[evidence.response])
    days = different_so_far(evidence.offsets, day)
    enough = evidence.after[:, COUNT] >= minimum.attempts
    if data.has_items:
        enough &= items >= minimum.items
    return enough, (days >= minimum.days) | (not data.has_times)


@numba.njit(cache=True, nogil=True)
def different_so_far(offsets: IntArray, value: IntArray) -> IntArray:
    """How many different values (items, days) each row and those before it in its pair have."""
    found = np.zeros(value.size, np.int64)
    for pair in range(offsets.size - 1):
        first = offsets[pair]
        for i in range(first, offsets[pair + 1]):
            is_new = True
            for j in range(i - 1, first - 1, -1):
                if value[j] == value[i]:
                    is_new = False
                    break
            found[i] = (found[i - 1] if i > first else 0) + int(is_new)
    return found


def _share(train: Responses, test: Responses, _rule: BktRule, policy: SharePolicy) -> Calls:
    model = fit_durable(train)
    evidence = evidence_on(model.head, test)
    asked = ask_in_a_week(model, evidence, np.arange(evidence.response.size), policy)
    steady = None
    if test.has_times:
        steady = steadiness.told(steadiness.by_night(steadiness.transitions(model, evidence, policy)))
    next_ten = covered(model, evidence, first_of_pairs(evidence, has_enough(evidence, policy.minimum)))
    return Calls(evidence, asked.share, asked.is_mastered, steady, next_ten)


def _bkt_threshold(model: str) -> Caller:
    """BKT: mastered where P(known) reaches BKT_GAIN; promised is the expected share right."""

    def call(train: Responses, test: Responses, rule: BktRule, _policy: SharePolicy) -> Calls:
        parameters = fitted_parameters(train, test, rule, model)
        return calls_at_gain(evidence_of(test, np.zeros(test.user.size)), parameters, BKT_GAIN)

    return call


def calls_at_gain(evidence: Evidence, parameters: FloatArray, gain: float) -> Calls:
    """What BKT with these parameters (skills x 5) says: mastered where P(known) is at least ``gain``."""
    skills = evidence.skill[evidence.offsets[:-1]]
    _, _, known = bkt.forward(evidence.data.right[evidence.response], evidence.offsets, skills, parameters)
    own = parameters[evidence.skill]
    promised = known * (1.0 - own[:, SLIP]) + (1.0 - known) * own[:, GUESS]
    return Calls(evidence, promised, known >= gain)


CALLERS: dict[str, Caller] = {
    "share": _share,
    "bkt": _bkt_threshold("bkt"),
    "bkt_forget": _bkt_threshold("bkt_forget"),
}


def _told(calls: Calls, enough: BoolArray) -> dict[str, Any]:
    """The first call of each pair and what followed it, as the command line names it."""
    evidence = calls.evidence
    first = first_of_pairs(evidence, calls.is_mastered & enough)
    has_next = first[following(evidence, 1)[1][first] > 0]
    has_five, share = next_five(evidence, first)
    pupil = evidence.data.user[evidence.response[has_five]]
    return {
        "pairs": int(evidence.offsets.size - 1),
        "pairs_with_enough_evidence": int(first_of_pairs(evidence, enough).size),
        "mastered_pairs": int(first.size),
        "mastered_pairs_with_next5": int(has_five.size),
        "promised_share": _mean(calls.promised[has_five]),
        "next5_correct": _mean(share),
        "next5_interval95": drawn_mean(share, pupil),
        "under_60_pct": broken_pct(share),
        **(calls.steadiness or {}),
        **({} if calls.next_ten is None else {"next10": calls.next_ten}),
        "next_answer": _next_answer(calls, has_next),
        "next_answer_by_gap_days": _by_gap(calls, has_next),
    }


def first_of_pairs(evidence: Evidence, chosen: BoolArray) -> IntArray:
    """The first chosen row of each pair that has one."""
    rows = np.flatnonzero(chosen)
    first: IntArray = rows[np.unique(_pair_of(evidence)[rows], return_index=True)[1]]
    return first


def _pair_of(evidence: Evidence) -> IntArray:
    return np.repeat(np.arange(evidence.offsets.size - 1), np.diff(evidence.offsets))


def next_five(evidence: Evidence, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """(rows, share right): those of the rows that have five more attempts of their pair, and what came of them."""
    right, answered = following(evidence, NEXT)
    has_five = rows[answered[rows] == NEXT]
    return has_five, right[has_five] / NEXT


def broken_pct(share: FloatArray) -> float | None:
    """Per cent of the shares of the next five that are under BROKEN."""
    return round(100.0 * float((share < BROKEN - 1e-9).mean()), 2) if share.size else None


def of_those_that_the_logistic_calls(calls: Calls, is_called: BoolArray, enough: BoolArray) -> dict[str, Any]:
    """How many pairs the plain regression calls at some row (``is_called``), and per cent of these that are called."""
    pair_of = _pair_of(calls.evidence)
    plain = np.unique(pair_of[is_called & enough])
    called = np.isin(plain, pair_of[calls.is_mastered & enough])
    pct = round(100.0 * float(called.mean()), 2) if plain.size else None
    return {"logistic_called_pairs": int(plain.size), "called_of_logistic_pct": pct}


def by_subgroup(calls: Calls, enough: BoolArray, smallest_group: int) -> list[dict[str, Any]]:
    """The calls by the subgroup of the pupil, by name; empty where the files tell none.

    Of groups that :func:`cairn.privacy.held_back` names nothing is told (is_suppressed); what came next is
    told only of ``smallest_group`` pupils at least.
    """
    evidence, names = calls.evidence, calls.evidence.data.subgroup_of
    if not names:
        return []
    pupil = evidence.data.user[evidence.response]
    group = np.array([name or NOT_TOLD for name in names])
    sizes = Counter(group[np.unique(pupil)].tolist())
    hidden = held_back(sizes, smallest_group)
    first = first_of_pairs(evidence, calls.is_mastered & enough)
    has_five, share = next_five(evidence, first)
    found: list[dict[str, Any]] = []
    for name, pupils in sorted(sizes.items()):
        own = group[pupil[has_five]] == name
        has_many = np.unique(pupil[has_five[own]]).size >= smallest_group
        told: dict[str, Any] = {
            "pupils": pupils,
            "mastered_pairs": int((group[pupil[first]] == name).sum()),
            "promised_share": _mean(calls.promised[has_five[own]]) if has_many else None,
            "next5_correct": _mean(share[own]) if has_many else None,
            "under_60_pct": broken_pct(share[own]) if has_many else None,
        }
        is_hidden = name in hidden
        found.append({"subgroup": name, "is_suppressed": is_hidden, **(dict.fromkeys(told) if is_hidden else told)})
    return found


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None


def _next_answer(calls: Calls, rows: IntArray) -> dict[str, Any]:
    """The very next answer of each pair that has one, and what was promised to those pairs."""
    correct = calls.evidence.correct
    return {
        "pairs": int(rows.size),
        "promised": _mean(calls.promised[rows]),
        "correct": _mean(correct[rows + 1]),
    }


def _by_gap(calls: Calls, rows: IntArray) -> list[dict[str, Any]]:
    """The same by days between the call and the answer; nothing where no times are told."""
    if not calls.evidence.data.has_times:
        return []
    gap = gap_to_next(calls.evidence)[rows]
    found = []
    for low, high in GAPS:
        chosen = rows[(gap >= low) & (gap < high)]
        if chosen.size:
            name = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
            found.append({"days": name, **_next_answer(calls, chosen)})
    return found
